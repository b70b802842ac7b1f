"""Scenarios without a world: which there are, what `make scenario` refuses, and that its checks can fail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from devtools import scenario
from devtools.processes import Child
from devtools.scenarios.counted import check_no_message_twice
from devtools.scenarios.driver import Driver
from devtools.scenarios.story import stories
from devtools.scenarios.told import Told
from tests.architecture.source_tree import ROOT

README = (ROOT / "README.md").read_text()


def _message(ts: str, *, kind: str, key: str = "") -> dict[str, Any]:
    payload = {"workflow_id": "crdb/dev/crdb/crdb/change", "run_id": "r1", "kind": kind, "key": key}
    return {"ts": ts, "text": kind, "metadata": {"event_type": "crdbops_message", "event_payload": payload}}


class _Page:
    """A page with these messages."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)

    async def messages(self, persona: str) -> list[dict[str, Any]]:
        return self._messages


class _World:
    def __init__(self, *messages: dict[str, Any]) -> None:
        self.page = _Page(*messages)


def _driver(*messages: dict[str, Any]) -> Driver:
    return cast(Driver, _World(*messages))


def test_every_scenario_is_in_the_readme_and_in_ci() -> None:
    known = set(stories())
    played = re.search(r"^for name in ([a-z -]+); do", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)

    assert {"deploy", "approvals", "faults"} <= known
    assert set(re.findall(r"^\| `make scenario NAME=([a-z-]+)` \|", README, flags=re.MULTILINE)) == known
    assert played
    assert set(played.group(1).split()) <= known


@pytest.mark.parametrize("arguments", [pytest.param([], id="none"), pytest.param(["depoly"], id="misspelt")])
def test_an_unknown_scenario_is_refused_with_the_list(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = scenario.main(arguments)

    first, *others = capsys.readouterr().out.splitlines()
    assert code == 2
    assert first.startswith(f"found scenario {(*arguments, 'none')[0]}, expected one of")
    assert [line.split()[0] for line in others] == sorted(stories())


async def test_two_messages_that_show_the_same_are_found() -> None:
    told = Told(0.0)
    one, other = _message("1.0", kind="card", key="a"), _message("2.0", kind="card", key="b")

    assert len(await check_no_message_twice(_driver(one, other), told)) == 2
    with pytest.raises(AssertionError, match="none of them twice"):
        await check_no_message_twice(_driver(one, other, {**one, "ts": "3.0"}), told)


def test_a_paused_process_can_be_stopped(tmp_path: Path) -> None:
    child = Child("sleeper", ["sleep", "60"], {}, folder=tmp_path, ready_url="")
    child.start()
    child.pause()

    child.stop(seconds=5)

    assert not child.is_running
