"""Three upgrades that people turn back: one whose image cannot be had, one after two of three nodes, a whole one.

1. The first node cannot pull its image: it is told as stuck, with the reason; people say roll back, and no other pod
was touched. 2. A major upgrade is cancelled between two nodes. 3. `/crdb rollback`: all on the release before, with the
rows. 4. The same upgrade to its end, and back by the button of its card; the client pod goes with both.
"""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowHandle

from devtools.page import actions_of, text_of
from devtools.scenarios.counted import check_no_message_twice
from devtools.scenarios.driver import NODES, Driver, history_events, seconds_of
from devtools.scenarios.scaled import answer, gate_card, uids
from devtools.scenarios.story import Story
from devtools.scenarios.told import Told
from devtools.scenarios.upgraded import (
    CANARY,
    GO_ON,
    LAST,
    MAJOR,
    SECOND,
    SETTINGS,
    UPGRADE,
    check_client,
    check_releases,
    check_rows,
    deploy_with_rows,
    ended_early,
    observation,
    say,
    setting,
    until_step,
)
from devtools.stack import VERSION

#: Of the same series, and in no registry.
_MISSING = "v25.2.9"


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    await deploy_with_rows(driver, told)
    asked = set(driver.csr_conditions())
    stuck = await _stuck(driver, told)
    back = await _rolled_back(driver, told)
    await _whole_and_back(driver, told)
    told.check("no new request for a certificate", set(driver.csr_conditions()) == asked)
    await check_no_message_twice(driver, told)
    return {
        "seconds of the stuck one": round(await seconds_of(stuck), 1),
        "history events": await history_events(stuck),
        "seconds of rollback": round(await seconds_of(back), 1),
        "history events of it": await history_events(back),
    }


async def _stuck(driver: Driver, told: Told) -> WorkflowHandle[Any, Any]:
    before = uids(driver, "pods", prefix="cockroachdb-")
    run = await driver.type_change("erin", f"/crdb upgrade {_MISSING}")
    told.say(f"erin types /crdb upgrade {_MISSING}, whose image is nowhere")
    words = f"{CANARY} does not start on {_MISSING}"
    card = await gate_card(driver, run, words, action="deny_now", seconds=120)
    said = text_of(card)
    told.check("people are told why", "gets no image" in said and f":{_MISSING}" in said, found=said)
    root = text_of(await driver.root(run, words="waits for a person"))
    told.check("the operation's message says it too", words in root, found=root)
    await answer(driver, "ada", card, "deny_now")
    told.say("ada clicks Roll back")
    result = await run.result()
    told.check("rolled back", result["outcome"] == "rolled-back", found=result)
    check_releases(driver, told, dict.fromkeys(NODES, VERSION), active="25.2")
    after = uids(driver, "pods", prefix="cockroachdb-")
    told.check(
        "only the pod that could not start is another one",
        [name for name in before if before[name] != after[name]] == [CANARY],
        found=(before, after),
    )
    check_rows(driver, told)
    return run


async def _rolled_back(driver: Driver, told: Told) -> WorkflowHandle[Any, Any]:
    run = await driver.type_change("ada", UPGRADE)
    told.say(f"ada types {UPGRADE}")
    await say(driver, run, GO_ON, "approve")
    await until_step(driver, run, SECOND, "running")
    taken = await driver.page.click("ada", await driver.root(run), "cancel")
    assert taken["ok"], f"the click was not taken: {taken}"
    told.say(f"abe clicks Go on, ada clicks Cancel while {SECOND} restarts")
    await ended_early(run)
    said = text_of(await driver.root(run, words="cancelled"))
    told.check(
        "the message says what runs where, and both ways on",
        f"{MAJOR} on {SECOND}, {CANARY}" in said and f"/crdb rollback returns to {VERSION}" in said,
        found=said,
    )
    check_releases(driver, told, {LAST: VERSION, SECOND: MAJOR, CANARY: MAJOR}, active="25.2")
    untouched = uids(driver, "pods", prefix=LAST)

    back = await driver.type_change("erin", "/crdb rollback")
    told.say("erin types /crdb rollback")
    result = await back.result()
    told.check("rolled back", (result["outcome"], result["version"]) == ("rolled-back", VERSION), found=result)
    told.check("the two that had to", sorted(result["rolled"]) == [SECOND, CANARY], found=result["rolled"])
    check_releases(driver, told, dict.fromkeys(NODES, VERSION), active="25.2")
    told.check(f"{LAST} was untouched", uids(driver, "pods", prefix=LAST) == untouched)
    kept = setting(driver, "cluster.preserve_downgrade_option")
    told.check("nothing preserves the downgrade any more", kept == "", found=kept)
    check_rows(driver, told)
    return back


async def _whole_and_back(driver: Driver, told: Told) -> None:
    run = await driver.type_change("ada", UPGRADE)
    await say(driver, run, GO_ON, "approve")
    result = await run.result()
    told.check("upgraded, not final", result["outcome"] == "awaiting-finalization", found=result["outcome"])
    check_client(driver, told, MAJOR)
    card = await observation(driver, "which is not final")
    back = await driver.click_change("erin", card, "roll_back")
    told.say("erin clicks Roll back on the card")
    result = await back.result()
    told.check("rolled back", (result["outcome"], result["version"]) == ("rolled-back", VERSION), found=result)
    check_releases(driver, told, dict.fromkeys(NODES, VERSION), active="25.2")
    check_client(driver, told, VERSION)
    check_rows(driver, told)
    closed = await observation(driver, f"rolled back to {VERSION}")
    told.check("the card says so, and offers nothing", not actions_of(closed), found=actions_of(closed))


STORY = Story(play, settings=SETTINGS, versions=(MAJOR,))
