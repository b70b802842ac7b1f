"""`worker.py --print-installation`: what an administrator applies, from the example's configuration."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from activities.manifests.installation import installation
from domain.configuration import parse_configuration
from tests.architecture.source_tree import ROOT

pytestmark = pytest.mark.processes

EXAMPLE = ROOT / "deploy" / "crdbops.example.toml"


def _printed(site: str, config: str = str(EXAMPLE)) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "worker", "--print-installation"],
        env={"CRDBOPS_CONFIG": config, "CRDBOPS_SITE": site, "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_it_prints_the_objects_of_the_site_as_yaml_without_aliases() -> None:
    done = _printed("seoul")

    assert done.returncode == 0, done.stderr
    assert list(yaml.safe_load_all(done.stdout)) == installation(parse_configuration(EXAMPLE.read_text()), "seoul")
    assert "&id" not in done.stdout


def test_an_unknown_site_and_a_missing_file_are_named() -> None:
    unknown, missing = _printed("busan"), _printed("seoul", "/nowhere/crdbops.toml")

    assert (unknown.returncode, missing.returncode) == (2, 2)
    assert unknown.stdout == missing.stdout == ""
    assert "expected one of: seoul" in unknown.stderr
    assert "/nowhere/crdbops.toml" in missing.stderr
