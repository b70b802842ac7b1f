"""Who may import whom. The contracts stand in pyproject.toml; here they are run, with what they cannot say."""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.architecture.source_tree import PACKAGES, ROOT, files, name_of, parse, production

#: Composition roots: the only places that make settings.
ROOTS = {"worker.py", "cli.py", "bot/__main__.py", "gateway/setup.py"}


def _imported(path: Path) -> set[str]:
    """Every module that a file imports, in full."""
    found: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_contracts_of_pyproject_hold() -> None:
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"

    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_tests_and_devtools_import_the_worker() -> None:
    wrong = [name_of(path) for path in files(*PACKAGES) if {"worker", "cli"} & _imported(path)]

    assert not wrong, f"remove the import of worker or cli from {wrong}: composition roots are imported by nobody"


def test_only_composition_roots_make_settings_and_wire_clients() -> None:
    settings = {"WorkerSettings", "BotSettings", "TemporalSettings"}
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in production()
        if name_of(path) not in ROOTS
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in settings
    ]

    assert not wrong, f"take settings as an argument in {wrong}: only {sorted(ROOTS)} make them"


def test_activities_get_their_clients_from_outside() -> None:
    # pki is no client: it reads and makes certificates in memory.
    wrong = [
        name_of(path)
        for path in files("activities")
        if "clients" not in path.parts
        and any(name.startswith("activities.clients.") and name != "activities.clients.pki" for name in _imported(path))
    ]

    assert not wrong, f"take a port (activities/ports.py) as an argument in {wrong}; worker.py wires the client"


def test_the_workflows_package_holds_no_code() -> None:
    body = parse(ROOT / "workflows" / "__init__.py").body

    assert len(body) == 1, (
        "workflows/__init__.py: a docstring and nothing else; the sandbox imports it for every workflow"
    )


def test_workflow_modules_load_no_network_library() -> None:
    names = sorted(f"workflows.{path.stem}" for path in files("workflows") if path.stem != "__init__")
    heavy = ("kubernetes", "aiohttp", "slack_sdk", "slack_bolt", "urllib3", "requests", "psutil")
    program = (
        f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
        f"print(sorted({heavy!r} & sys.modules.keys()))".replace(f"{heavy!r} &", f"set({heavy!r}) &")
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]", "each of these costs every waiting workflow megabytes in the sandbox"


def test_certagent_imports_nothing_of_ours() -> None:
    ours = set(PACKAGES) - {"certagent"} | {"devtools", "worker", "cli"}
    wrong = [name_of(path) for path in files("certagent") if {name.split(".")[0] for name in _imported(path)} & ours]

    assert not wrong, f"{wrong}: certagent stands alone, its image holds nothing else"
