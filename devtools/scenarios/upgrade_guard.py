"""A major upgrade through outages of Temporal and of a worker, and none on top of it before it is final.

1. The first node runs alone for a while. Temporal is killed and started again while people decide. 2. The ops worker is
killed between the first node and the rest. 3. While the upgrade is observed both are killed once more; people are
reminded when the time is over. 4. The next major is refused until this one is final, with what to type. 5. Finalize, by
the card's button, after those who may not had clicked it; the card closes, and the next major would be planned.
"""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowHandle

from devtools.page import Message, actions_of, text_of
from devtools.scenarios.counted import check_no_message_twice
from devtools.scenarios.driver import NODES, Driver, history_events, seconds_of
from devtools.scenarios.scaled import answer, gate_card, uids, until_gate
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
    check_one_at_a_time,
    check_releases,
    check_rows,
    deploy_with_rows,
    observation,
    refused_run,
    say,
)
from devtools.stack import VERSION

_NEXT = "/crdb upgrade v26.2.1 backup=taken"
#: Minutes that the first node runs alone, and hours that the upgrade is observed before people are reminded.
_SOAK, _OBSERVE = 0.2, 0.02


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    await deploy_with_rows(driver, told)
    run = await _through_outages(driver, told)
    check_client(driver, told, MAJOR)
    pods = uids(driver, "pods", prefix="cockroachdb-")
    card = await _observed_through_outages(driver, told)
    await refused_run(driver, told, _NEXT, "/crdb finalize makes it final", f"/crdb rollback leads back to {VERSION}")
    for who, why in (("vic", "operator"), ("sam", "workspace")):
        said = await driver.refused(who, card, "finalize", words=why)
        told.check(f"{who} may not ask: {why}", "started" not in said, found=said)
    final = await driver.click_change("ada", card, "finalize")
    told.say("ada clicks Finalize on the card")
    await say(driver, final, f"Make {MAJOR} final", "approve")
    result = await final.result()
    told.check("finalized", (result["outcome"], result["active"]) == ("finalized", "25.4"), found=result)
    check_releases(driver, told, dict.fromkeys(NODES, MAJOR), active="25.4")
    closed = await observation(driver, "is final, active version 25.4")
    told.check("the same card says that it is final, and offers nothing", not actions_of(closed), found=closed)
    told.check("there was one card", closed["ts"] == card["ts"])
    planned = await (await driver.type_change("ada", f"{_NEXT} --plan")).result()
    told.check("now the next major is planned", planned["outcome"] == "plan" and planned["plan"], found=planned)
    told.check("refusal, finalization and plan restarted no pod", uids(driver, "pods", prefix="cockroachdb-") == pods)
    check_rows(driver, told)
    await check_no_message_twice(driver, told)
    return {
        "seconds of the upgrade": round(await seconds_of(run), 1),
        "history events": await history_events(run),
    }


async def _through_outages(driver: Driver, told: Told) -> WorkflowHandle[Any, Any]:
    run = await driver.type_change("ada", UPGRADE)
    told.say(f"ada types {UPGRADE}")
    card = await gate_card(driver, run, GO_ON, action="approve", seconds=90)
    told.check("the first node ran alone for a while", f"it ran alone for {_SOAK:g} min" in text_of(card))
    driver.stack.temporal.kill()
    await driver.stack.temporal.start()
    told.say("Temporal: killed while people decide, and started again with its database file")
    driver.stack.ops.kill()
    await answer(driver, "abe", card, "approve")
    told.say("ops: killed with SIGKILL; abe clicks Go on meanwhile")
    driver.stack.ops.start()
    await driver.stack.ops.wait_ready()
    await until_gate(driver, run, GO_ON, "approved")
    told.say("ops: started again; the answer was taken")
    result = await run.result()
    told.check("it awaits finalization", result["outcome"] == "awaiting-finalization", found=result)
    said = [line for line in result["plan"] if line.startswith(f"image {MAJOR}: on ")]
    told.check("the plan said where the image is", len(said) == 1, found=result["plan"])
    told.say(said[0])
    check_releases(driver, told, dict.fromkeys(NODES, MAJOR), active="25.2")
    check_one_at_a_time(driver, told, (CANARY, SECOND, LAST))
    return run


async def _observed_through_outages(driver: Driver, told: Told) -> Message:
    card = await observation(driver, "which is not final")
    told.check("a card offers both ways on", {"finalize", "roll_back"} <= actions_of(card), found=actions_of(card))
    driver.stack.temporal.kill()
    driver.stack.ops.kill()
    await driver.stack.temporal.start()
    driver.stack.ops.start()
    await driver.stack.ops.wait_ready()
    told.say("Temporal and ops: killed while the upgrade is observed, and started again")
    due = await observation(driver, "Reminded", seconds=_OBSERVE * 3600 + 60)
    told.check("when its time is over people are reminded, on the same card", due["ts"] == card["ts"])
    return due


STORY = Story(
    play,
    settings=f"{SETTINGS}soak_minutes = {_SOAK}\nobserve_hours = {_OBSERVE}\n",
    versions=(MAJOR,),
)
