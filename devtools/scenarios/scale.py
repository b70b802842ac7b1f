"""Three nodes to five and back, with node ids that follow no ordinal, and volumes that people decide upon.

1. 3 -> 5: one pod at a time, each with its certificate and healthy before the next. 2. 3 -> 2 and a stranger: refused.
3. 5 -> 3: ids 4 and 2 leave, pods 0 to 2 are untouched; one volume is kept, one deleted by two people. 4. Again 3:
nothing to do. 5. 3 -> 4: the kept volume is in the way, and can only be wiped.
"""

from __future__ import annotations

from devtools.page import actions_of, text_of
from devtools.scenarios.driver import Driver, history_events, seconds_of
from devtools.scenarios.scaled import (
    CLAIM,
    answer,
    approve_new,
    deploy,
    gate_card,
    gate_of,
    memberships,
    pod,
    rows,
    two_say_yes,
    uids,
    until_gate,
)
from devtools.scenarios.story import Story
from devtools.scenarios.told import Told


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    await deploy(driver, told, nodes=3)
    up = await _up(driver, told)
    await _refused(driver, told)
    down = await _down(driver, told)
    again = await _over_a_kept_volume(driver, told)
    answered = driver.sql("SELECT 1")
    told.check("SQL answers", "\n1\n" in f"\n{answered}\n", found=answered)
    return {f"{what} of {name}": value for name, run in (up, down, again) for what, value in run.items()}


async def _up(driver: Driver, told: Told) -> tuple[str, dict[str, object]]:
    known = set(driver.csr_conditions())
    run = await driver.type_change("erin", "/crdb scale 5")
    told.say("erin types /crdb scale 5")
    for ordinal in (3, 4):
        first = await approve_new(driver, known, of=pod(ordinal))
        told.say(f"approved: {first}")
        if ordinal == 3:
            pods = uids(driver, "pods", prefix="cockroachdb-")
            told.check("the next pod waits for this one", pod(4) not in pods, found=sorted(pods))
    result = await run.result()
    told.check("scaled to 5", (result["outcome"], result["added"]) == ("scaled", [pod(3), pod(4)]), found=result)
    ids = {row["address"].split(".")[0]: int(row["id"]) for row in rows(driver)}
    told.check("node 2 is on the highest ordinal", ids[pod(4)] == 2 and ids[pod(3)] == 4, found=ids)
    root = await driver.root(run, words="done")
    told.check("the message says that n2 joined", "joined as n2" in text_of(root), found=text_of(root))
    return "3 -> 5", {"seconds": round(await seconds_of(run), 1), "events": await history_events(run)}


async def _refused(driver: Driver, told: Told) -> None:
    for who, line, words in (("erin", "/crdb scale 2", "3"), ("sam", "/crdb scale 4", "workspace")):
        before = len(await driver.page.ephemerals(who))
        await driver.page.command(who, line)
        said = text_of(await driver.page.until_ephemeral(who, after=before, words=words))
        told.check(f"{who}'s {line} is refused", "Nothing was started" in said, found=said)


async def _down(driver: Driver, told: Told) -> tuple[str, dict[str, object]]:
    pods, claims = uids(driver, "pods", prefix="cockroachdb-"), uids(driver, "pvc", prefix=CLAIM)
    run = await driver.type_change("erin", "/crdb scale 3")
    told.say("erin types /crdb scale 3")
    kept, deleted = f"{CLAIM}3", f"{CLAIM}4"
    card = await gate_card(driver, run, kept, action="deny_now", seconds=120)
    await driver.root(run, words="waits for a person")
    told.say("both cards are open, and the operation's message says that it waits for people")
    plan = " ".join((await driver.operation(run)).plan)
    told.check("the plan names the nodes by id", "n2 (cockroachdb-4), n4 (cockroachdb-3)" in plan, found=plan)
    left = memberships(driver)
    told.check(
        "nodes 2 and 4 are decommissioned, the others active",
        left == {1: "active", 2: "decommissioned", 3: "active", 4: "decommissioned", 5: "active"},
        found=left,
    )
    await answer(driver, "abe", card, "deny_now")
    await until_gate(driver, run, kept, "denied")
    told.say(f"abe keeps {kept}")
    said = await driver.refused("erin", await gate_card(driver, run, deleted, action="approve"), "approve", words="ask")
    told.check(
        "who asked for the scale may not delete", not (await gate_of(driver, run, deleted)).decisions, found=said
    )
    gate = await two_say_yes(driver, run, deleted)
    told.check("two people delete the other", len(gate.decisions) == 2, found=gate.decisions)
    result = await run.result()
    told.check(
        "scaled to 3",
        (result["outcome"], result["decommissioned"], result["volumes_kept"], result["volumes_deleted"])
        == ("scaled", [2, 4], [kept], [deleted]),
        found=result,
    )
    root = await driver.root(run, words="done")
    said = text_of(root)
    told.check("the message says what became of the volumes", f"deleted: {deleted}" in said, found=said)
    told.check("and that replicas moved away", "replicas moved away" in said, found=said)
    now_pods, now_claims = uids(driver, "pods", prefix="cockroachdb-"), uids(driver, "pvc", prefix=CLAIM)
    gone = {pod(3), pod(4)}
    told.check("kubectl: the other pods are the same", now_pods == _without(pods, gone), found=now_pods)
    told.check("kubectl: so are the other volumes", now_claims == _without(claims, {deleted}), found=now_claims)
    again = await driver.type_change("erin", "/crdb scale 3")
    outcome = (await again.result())["outcome"]
    told.check("once more finds nothing to do", outcome == "nothing-to-do", found=outcome)
    return "5 -> 3", {"seconds": round(await seconds_of(run), 1), "events": await history_events(run)}


async def _over_a_kept_volume(driver: Driver, told: Told) -> tuple[str, dict[str, object]]:
    known, kept = set(driver.csr_conditions()), f"{CLAIM}3"
    before = uids(driver, "pvc", prefix=CLAIM)[kept]
    run = await driver.type_change("erin", "/crdb scale 4")
    told.say("erin types /crdb scale 4")
    card = await gate_card(driver, run, kept, action="approve")
    said = text_of(card)
    told.check(
        "the kept volume can only be wiped",
        "Wipe" in said and "Use it again" not in said,
        found=(said, actions_of(card)),
    )
    await two_say_yes(driver, run, kept)
    await approve_new(driver, known, of=pod(3))
    result = await run.result()
    told.check("scaled to 4", (result["outcome"], result["volumes_deleted"]) == ("scaled", [kept]), found=result)
    told.check("with a new volume", uids(driver, "pvc", prefix=CLAIM)[kept] != before)
    ids = {row["address"].split(".")[0]: int(row["id"]) for row in rows(driver) if row["address"] not in ("", "NULL")}
    told.check("and a new node id", ids[pod(3)] not in (1, 2, 3, 4, 5), found=ids)
    return "3 -> 4", {"seconds": round(await seconds_of(run), 1), "events": await history_events(run)}


def _without(found: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: uid for name, uid in found.items() if name not in names}


STORY = Story(play)
