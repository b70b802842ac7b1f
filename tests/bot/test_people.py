from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.people import People
from devtools.console import Console
from devtools.console.faults import Fault
from domain.errors import OpsError, RefusedError, TransientError
from tests.bot import given


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    async with Console(bot_url=None, signing_secret="s", bot_token="xoxb-x") as built:
        yield built


@pytest.fixture
async def client(console: Console) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token="xoxb-x", base_url=console.api_url, session=session, retry_handlers=[])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(client: AsyncWebClient, clock: Clock) -> People:
    return People(client, given.configuration(), clock=clock)


def calls(console: Console, name: str) -> int:
    return len([record for record in console.recorder.since(0) if record.name == name])


async def test_a_person_has_the_groups_they_are_in_now(people: People) -> None:
    identity = await people.identify("U0ABE", team_id="T0CRDB")

    assert identity.person.groups == ("S0APPROVERS",)
    assert people.holds(identity, "approver")
    assert not people.holds(identity, "operator")


@pytest.mark.parametrize(
    ("user", "team", "code"),
    [
        pytest.param("U0SAM", "T0OTHER", "role.stranger", id="says so"),
        pytest.param("U0SAM", "T0CRDB", "role.stranger", id="claims our workspace"),
        pytest.param("U0GUS", "T0CRDB", "people.guest", id="guest"),
        pytest.param("U0DEE", "T0CRDB", "people.deactivated", id="deactivated"),
        pytest.param("U0BOT", "T0CRDB", "people.bot", id="bot"),
        pytest.param("U0NONE", "T0CRDB", "people.unknown", id="unknown"),
    ],
)
async def test_who_may_not_act_at_all_is_refused(people: People, user: str, team: str, code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await people.identify(user, team_id=team)

    assert caught.value.code == code


async def test_a_profile_is_kept_five_minutes_but_read_fresh_for_a_decision(
    people: People, console: Console, clock: Clock
) -> None:
    await people.identify("U0ADA", team_id="T0CRDB")
    await people.identify("U0ADA", team_id="T0CRDB")
    assert calls(console, "users.info") == 1

    await people.identify("U0ADA", team_id="T0CRDB", is_fresh=True)
    assert calls(console, "users.info") == 2

    clock.now = 301
    await people.identify("U0ADA", team_id="T0CRDB")
    assert calls(console, "users.info") == 3


async def test_groups_are_kept_one_minute(people: People, console: Console, clock: Clock) -> None:
    await people.identify("U0ADA", team_id="T0CRDB")
    await people.identify("U0ABE", team_id="T0CRDB")
    assert calls(console, "usergroups.users.list") == 2

    clock.now = 61
    await people.identify("U0ADA", team_id="T0CRDB")
    assert calls(console, "usergroups.users.list") == 4


async def test_a_decision_reads_groups_anew_and_others_right_behind_it_share_that(
    people: People, console: Console, clock: Clock
) -> None:
    await people.identify("U0ADA", team_id="T0CRDB")
    clock.now = 3
    await people.identify("U0ADA", team_id="T0CRDB", is_fresh=True)
    clock.now = 4
    await people.identify("U0ABE", team_id="T0CRDB", is_fresh=True)

    assert calls(console, "usergroups.users.list") == 4


@pytest.mark.parametrize(("age", "groups"), [(30, ("S0APPROVERS",)), (61, ())])
async def test_where_slack_asks_to_slow_down_a_decision_takes_a_list_of_the_last_minute(
    people: People, console: Console, clock: Clock, age: int, groups: tuple[str, ...]
) -> None:
    await people.identify("U0ABE", team_id="T0CRDB")
    clock.now = age
    console.faults.add(Fault("usergroups.users.list", "429", count=5, seconds=1))

    assert (await people.identify("U0ABE", team_id="T0CRDB", is_fresh=True)).person.groups == groups


@pytest.mark.parametrize("kind", ["429", "500", "lost_answer"])
async def test_a_group_that_cannot_be_read_has_nobody_in_it(people: People, console: Console, kind: str) -> None:
    console.faults.add(Fault("usergroups.users.list", kind, count=5, seconds=1))

    identity = await people.identify("U0ADA", team_id="T0CRDB")

    assert identity.person.groups == ()
    with pytest.raises(TransientError) as caught:
        people.holds(identity, "approver")
    assert caught.value.code == "approvers.unreadable"


@pytest.mark.parametrize("kind", ["429", "500", "lost_answer"])
async def test_nothing_is_done_while_it_cannot_be_read_who_somebody_is(
    people: People, console: Console, kind: str
) -> None:
    console.faults.add(Fault("users.info", kind, count=5, seconds=1))

    with pytest.raises(OpsError) as caught:
        await people.identify("U0ADA", team_id="T0CRDB")

    assert caught.value.code == "people.unreadable"
