"""A major upgrade: one node first, people decide, the rest follows, and it becomes final by people's decision.

1. What may not follow is refused with what may. 2. The top pod alone runs the new release; meanwhile a scale is
refused, and so is the answer of who asked, of a viewer and of a stranger. 3. It is paused, and an approver says go on:
nothing moves, whoever may not resume it tries to, and who may does. The rest rolls, one pod at a time, and no
certificate is asked for. 4. Until it is final nothing else may start. 5. Finalize, approved:
the active version moves. 6. The same upgrade again finds nothing to do.
"""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowHandle

from devtools.page import Message, actions_of, until
from devtools.scenarios.counted import check_no_message_twice
from devtools.scenarios.driver import NODES, Driver, history_events, seconds_of
from devtools.scenarios.scaled import answer, gate_card, gate_of, root_says, uids, until_gate
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
    refused_run,
    say,
    setting,
    typed,
)
from devtools.stack import VERSION

_FINAL = f"Make {MAJOR} final?"


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    await deploy_with_rows(driver, told)
    await _illegal(driver, told)
    run = await _upgraded(driver, told)
    await refused_run(driver, told, "/crdb scale 4", "/crdb finalize makes it final")
    final = await _finalized(driver, told)
    again = await (await driver.type_change("ada", UPGRADE)).result()
    told.check("the same upgrade finds nothing to do", again["outcome"] == "nothing-to-do", found=again)
    await check_no_message_twice(driver, told)
    return {
        "seconds of the upgrade": round(await seconds_of(run), 1),
        "history events": await history_events(run),
        "seconds of finalize": round(await seconds_of(final), 1),
        "history events of it": await history_events(final),
    }


async def _illegal(driver: Driver, told: Told) -> None:
    before = uids(driver, "pods", prefix="cockroachdb-")
    said = await typed(driver, "ada", "/crdb upgrade v25.3 backup=taken", words="v25.3")
    told.check("v25.3 is no whole release", "Nothing was started" in said and MAJOR in said, found=said)
    for version in ("v26.2.1", "v25.1.0"):
        await refused_run(driver, told, f"/crdb upgrade {version} backup=taken", "25.3 or 25.4")
    await refused_run(driver, told, f"/crdb upgrade {MAJOR}", "backup=taken")
    told.check("no pod was touched", uids(driver, "pods", prefix="cockroachdb-") == before)


async def _upgraded(driver: Driver, told: Told) -> WorkflowHandle[Any, Any]:
    before, asked = uids(driver, "pods", prefix="cockroachdb-"), set(driver.csr_conditions())
    run = await driver.type_change("ada", UPGRADE)
    told.say(f"ada types {UPGRADE}")
    card = await gate_card(driver, run, GO_ON, action="approve", seconds=90)
    check_releases(driver, told, {LAST: VERSION, SECOND: VERSION, CANARY: MAJOR}, active="25.2")
    kept = setting(driver, "cluster.preserve_downgrade_option")
    told.check("the downgrade is preserved", kept == "25.2", found=kept)
    said = await typed(driver, "erin", "/crdb scale 4", words="another operation is running")
    told.check("a scale meanwhile is refused, with a link", "http" in said and "upgrade" in said, found=said)
    await _wrong_people(driver, told, run, GO_ON, card)
    await _click(driver, "erin", run, "pause")
    told.say("erin clicks Pause")
    await answer(driver, "abe", card, "approve")
    await until_gate(driver, run, GO_ON, "approved")
    told.say("abe clicks Go on")
    await _held_and_resumed(driver, told, run)
    result = await run.result()
    told.check(
        "it awaits finalization",
        (result["outcome"], result["active"], result["rolled"])
        == ("awaiting-finalization", "25.2", [CANARY, SECOND, LAST]),
        found=result,
    )
    check_releases(driver, told, dict.fromkeys(NODES, MAJOR), active="25.2")
    check_one_at_a_time(driver, told, (CANARY, SECOND, LAST))
    after = uids(driver, "pods", prefix="cockroachdb-")
    same = [name for name in before if before[name] == after[name]]
    told.check("each pod is another one, the client pod too", same == [], found=(before, after))
    check_client(driver, told, MAJOR)
    told.check("no new request for a certificate", set(driver.csr_conditions()) == asked)
    check_rows(driver, told)
    return run


async def _click(driver: Driver, persona: str, run: WorkflowHandle[Any, Any], action: str) -> None:
    async def offered() -> Message | None:
        root = await driver.root(run)
        return root if action in actions_of(root) else None

    root = await until(offered, f"the operation's message offers {action}", seconds=30)
    taken = await driver.page.click(persona, root, action)
    assert taken["ok"], f"the click was not taken: {taken}"


async def _held_and_resumed(driver: Driver, told: Told, run: WorkflowHandle[Any, Any]) -> None:
    said = await root_says(driver, run, f"will go on with `{SECOND} on {MAJOR}`")
    told.check("the message says who paused it", "*Paused* by" in said, found=said)
    before = uids(driver, "pods", prefix="cockroachdb-")
    root = await driver.root(run)
    told.check("Resume is there, and no Pause", {"resume", "pause"} & actions_of(root) == {"resume"}, found=root)
    for who, why in (("vic", "operators and approvers"), ("sam", "workspace")):
        refusal = await driver.refused(who, root, "resume", words=why)
        is_held = (await driver.operation(run)).pause is not None
        told.check(f"{who} may not resume it: {why}", is_held, found=refusal)
    said = await typed(driver, "erin", "/crdb scale 4", words="another operation is running")
    told.check("who comes second hears that it is paused", "It is paused by" in said, found=said)
    said = await driver.status()
    told.check("status says that it is paused", "It is paused by" in said and "/crdb resume" in said, found=said)
    check_releases(driver, told, {LAST: VERSION, SECOND: VERSION, CANARY: MAJOR}, active="25.2")
    told.check("no pod was touched meanwhile", uids(driver, "pods", prefix="cockroachdb-") == before)
    await typed(driver, "abe", "/crdb resume", words="going on")
    told.say("abe types /crdb resume")
    said = await root_says(driver, run, "resumed by")
    told.check("the message keeps who paused and who resumed it", f"before {SECOND} on {MAJOR}" in said, found=said)


async def _wrong_people(driver: Driver, told: Told, run: WorkflowHandle[Any, Any], words: str, card: Message) -> None:
    for who, why in (("ada", "asked for"), ("vic", "approver"), ("sam", "workspace")):
        said = await driver.refused(who, card, "approve", words=why)
        told.check(f"{who} may not decide: {why}", not (await gate_of(driver, run, words)).decisions, found=said)


async def _finalized(driver: Driver, told: Told) -> WorkflowHandle[Any, Any]:
    run = await driver.type_change("ada", "/crdb finalize")
    told.say("ada types /crdb finalize")
    card = await gate_card(driver, run, _FINAL, action="approve")
    told.check("nothing is final before people decide", setting(driver, "version") == "25.2")
    await driver.refused("ada", card, "approve", words="asked for")
    await say(driver, run, _FINAL, "approve")
    result = await run.result()
    told.check("finalized", (result["outcome"], result["active"]) == ("finalized", "25.4"), found=result)
    check_releases(driver, told, dict.fromkeys(NODES, MAJOR), active="25.4")
    kept = setting(driver, "cluster.preserve_downgrade_option")
    told.check("nothing preserves the downgrade", kept == "", found=kept)
    check_rows(driver, told)
    await refused_run(driver, told, "/crdb rollback", "an upgrade that is not final")
    return run


STORY = Story(play, settings=SETTINGS, versions=(MAJOR,))
