"""The watch of an upgrade that is not final: one look an attempt, and only what stays so is told."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.observing import LOOK_EVERY, ObservingActivities
from activities.upgrade_payloads import WatchRequest
from domain.errors import NotReadyError, RefusedError
from domain.observation import Observation
from tests.activities.upgrades import NEW, OLD, RollingWorld
from tests.fakes.kubernetes import conflict

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
KNOWN = Observation(version=NEW, active="25.2", builds=(NEW,))
AWAY = KNOWN.model_copy(update={"notices": ("n2 (cockroachdb-1) does not live",)})


class Watched:
    """An upgrade that is not final, looked at as the retries of one activity do."""

    def __init__(self) -> None:
        self.world = RollingWorld()
        self.world.rolled()
        image = self.world.image(NEW)
        found = self.world.stateful_set()
        for container in found["spec"]["template"]["spec"]["containers"]:
            container["image"] = image
        self.observing = ObservingActivities(self.world.upgrading())
        self.beats: list[Any] = []

    async def look(self, *, at: datetime = NOW, **wishes: Any) -> Observation:
        """One attempt; the heartbeat of the one before is its memory."""
        fields = {"known": KNOWN, "until": NOW + timedelta(days=1), "quiet_until": NOW, **wishes}
        environment = ActivityEnvironment()
        last = self.beats[-1:]
        environment.info = dataclasses.replace(
            environment.info, current_attempt_scheduled_time=at, heartbeat_details=last
        )
        environment.on_heartbeat = lambda *said: self.beats.extend(one.model_dump(mode="json") for one in said)
        request = WatchRequest(ref=self.world.ref, version=NEW, before=OLD, **fields)
        seen: Observation = await environment.run(self.observing.watch, request)
        return seen


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def test_nothing_new_asks_for_another_look_later_and_no_later_than_wanted(watched: Watched) -> None:
    delays = []
    for at in (NOW, NOW + timedelta(days=1, seconds=-20)):
        with pytest.raises(NotReadyError) as caught:
            await watched.look(at=at)
        delays.append(caught.value.retry_after)

    assert caught.value.code == "upgrade.not-final"
    assert delays == [LOOK_EVERY, timedelta(seconds=20)]


async def test_when_the_time_is_over_it_ends_with_what_was_known(watched: Watched) -> None:
    watched.world.nodes.members[2]["is_live"] = "false"

    assert await watched.look(at=NOW + timedelta(days=1)) == KNOWN


async def test_what_stays_so_for_two_looks_is_told(watched: Watched) -> None:
    watched.world.nodes.members[2]["is_live"] = "false"
    with pytest.raises(NotReadyError):
        await watched.look()

    assert await watched.look(at=NOW + LOOK_EVERY) == AWAY


async def test_a_node_that_is_away_for_one_look_is_not_told(watched: Watched) -> None:
    for is_live in ("false", "true"):
        watched.world.nodes.members[2]["is_live"] = is_live
        with pytest.raises(NotReadyError):
            await watched.look()

    assert watched.beats[-1] == KNOWN.model_dump(mode="json")


async def test_what_changed_lately_is_told_later(watched: Watched) -> None:
    watched.world.nodes.members[2]["is_live"] = "false"
    quiet = NOW + 2 * LOOK_EVERY
    for at in (NOW, NOW + LOOK_EVERY):
        with pytest.raises(NotReadyError):
            await watched.look(at=at, quiet_until=quiet)

    assert await watched.look(at=quiet, quiet_until=quiet) == AWAY


async def test_an_end_is_told_at_once(watched: Watched) -> None:
    watched.world.nodes.active, watched.world.nodes.preserved = "25.4", ""

    seen = await watched.look(quiet_until=NOW + timedelta(days=9))

    assert (seen.outcome, seen.sentence) == ("final", "active version 25.4")


async def test_an_api_server_that_does_not_answer_is_told_and_what_was_seen_stays(watched: Watched) -> None:
    watched.world.kubernetes.fail("get", conflict(), conflict())
    with pytest.raises(NotReadyError):
        await watched.look()

    seen = await watched.look(at=NOW + LOOK_EVERY)

    assert (seen.active, seen.notices) == ("25.2", ("nobody can look: kubernetes.conflict",))


async def test_what_is_not_ours_is_not_looked_at(watched: Watched) -> None:
    watched.world.stateful_set()["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "somebody"

    with pytest.raises(RefusedError):
        await watched.look()
