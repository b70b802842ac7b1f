"""A major upgrade through an outage of Temporal and a killed worker, and none on top of it before it is final.

1. Temporal is killed and started again while people decide after the first node. 2. The ops worker is killed between
the first node and the rest. 3. The next major is refused until this one is final, with what to type. 4. Finalize; then
the next major would be planned.
"""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowHandle

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
    check_one_at_a_time,
    check_releases,
    check_rows,
    deploy_with_rows,
    refused_run,
    say,
)
from devtools.stack import VERSION

_NEXT = "/crdb upgrade v26.2.1 backup=taken"


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    await deploy_with_rows(driver, told)
    run = await _through_outages(driver, told)
    pods = uids(driver, "pods", prefix="cockroachdb-")
    await refused_run(driver, told, _NEXT, "/crdb finalize makes it final", f"/crdb rollback leads back to {VERSION}")
    final = await driver.type_change("ada", "/crdb finalize")
    told.say("ada types /crdb finalize")
    await say(driver, final, f"Make {MAJOR} final", "approve")
    result = await final.result()
    told.check("finalized", (result["outcome"], result["active"]) == ("finalized", "25.4"), found=result)
    check_releases(driver, told, dict.fromkeys(NODES, MAJOR), active="25.4")
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
    check_releases(driver, told, dict.fromkeys(NODES, MAJOR), active="25.2")
    check_one_at_a_time(driver, told, (CANARY, SECOND, LAST))
    return run


STORY = Story(play, settings=SETTINGS, versions=(MAJOR,))
