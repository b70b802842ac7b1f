"""What keeps a scale from going its way: replicas that stall, somebody with `kubectl` beside it, a node that is lost.

1. 4 -> 3 stalls: the message names the node with its ranges; the stall is lifted, and it ends. 2. Somebody scales to
four with `kubectl` while nothing runs: status and the next scale say so, and go on from there. 3. Somebody scales to
three beside that scale to five: it ends at once, and sets nothing back. 4. So a node is dead, its volume deleted, and a
restart of all others forgets its address: status shows it, a scale refuses and says what gives it up, and who may does.
"""

from __future__ import annotations

import contextlib
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

from devtools.page import text_of, until, written_in
from devtools.scenarios.counted import check_no_message_twice
from devtools.scenarios.driver import Driver, history_events, seconds_of
from devtools.scenarios.scaled import (
    CLAIM,
    approve_new,
    deploy,
    memberships,
    pod,
    root_says,
    rows,
    trouble,
    two_say_yes,
    uids,
    until_status,
)
from devtools.scenarios.story import Story
from devtools.scenarios.told import Told

#: The node of the highest pod, by the ids that `deploy` gives out.
_TOP = "n4 (cockroachdb-3)"
_STUCK = 3
_GIVE_UP = "/crdb scale 3 --decommission-dead"


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    await deploy(driver, told, nodes=4)
    stalled = await _stalled(driver, told)
    await _between(driver, told)
    overtaken = await _beside(driver, told)
    lost = await _lose(driver, told)
    given_up = await _given_up(driver, told, lost)
    answered = driver.sql("SELECT 1")
    told.check("SQL answers", "\n1\n" in f"\n{answered}\n", found=answered)
    await check_no_message_twice(driver, told)
    runs = {"stalled": stalled, "overtaken": overtaken, "of the dead node": given_up}
    return {
        **{f"seconds of the scale {name}": round(await seconds_of(run), 1) for name, run in runs.items()},
        "history events of the stalled one": await history_events(stalled),
    }


async def _stalled(driver: Driver, told: Told) -> WorkflowHandle[Any, Any]:
    """Let the last replicas of a leaving node stay where they are, until the message says which."""
    trouble(driver, 3, stuck_replicas=_STUCK)
    run = await driver.type_change("erin", "/crdb scale 3")
    told.say(f"erin types /crdb scale 3; {_STUCK} replicas do not leave {_TOP}")
    said = await root_says(driver, run, "no replica moves any more")
    told.check("the message names the node with its ranges", f"{_TOP} holds {_STUCK}: ranges " in said, found=said)
    told.say("; ".join(step.detail for step in (await driver.operation(run)).steps if "any more" in step.detail))
    trouble(driver, 3)
    told.say("the stall is lifted")
    await two_say_yes(driver, run, f"{CLAIM}3")
    result = await run.result()
    told.check("scaled to 3", (result["outcome"], result["decommissioned"]) == ("scaled", [4]), found=result)
    root = text_of(await driver.root(run, words="done"))
    told.check("the message says no more of a stall", "moves any more" not in root, found=root)
    return run


async def _between(driver: Driver, told: Told) -> None:
    """Scale with kubectl while nothing of ours runs."""
    known = set(driver.csr_conditions())
    _kubectl_scales(driver, told, 4)
    await approve_new(driver, known, of=pod(3))

    async def has_joined() -> bool:
        return len([row for row in rows(driver) if row["is_live"] == "true"]) == 4

    await until(has_joined, "the new node has joined", seconds=60)
    await until_status(driver, "4 of 4 nodes ready", "recorded 3, found 4")
    told.check("the status says that it is not as recorded", True)


async def _beside(driver: Driver, told: Told) -> WorkflowHandle[Any, Any]:
    """Scale with kubectl against a scale that waits for a certificate."""
    known = set(driver.csr_conditions())
    run = await driver.type_change("erin", "/crdb scale 5")
    told.say("erin types /crdb scale 5")
    said = await root_says(driver, run, "scaled outside this product: recorded 3 nodes, found 4 replicas")
    told.check("it goes on from the four", "add cockroachdb-4" in said and "add cockroachdb-3" not in said, found=said)

    async def asks() -> bool:
        return any(
            csr.startswith(f"{driver.ref.namespace}.node.{pod(4)}") for csr in set(driver.csr_conditions()) - known
        )

    await until(asks, f"{pod(4)} asks for its certificate", seconds=60)
    _kubectl_scales(driver, told, 3)
    with contextlib.suppress(WorkflowFailureError):  # that is how it ends; the message says as what
        await run.result()
    said = text_of(await driver.root(run, words="failed", seconds=20))
    told.check("it ends at once, and says why", "found 3 replicas, expected 5" in said, found=said)
    told.say(text_of(await driver.told_its_end(run)))
    told.check("nothing was set back", _replicas(driver) == 3, found=_replicas(driver))
    return run


async def _lose(driver: Driver, told: Told) -> int:
    """Let the node of the pod that is gone be lost for good; return its id."""
    for ordinal in (3, 4):
        driver.kubectl("delete", "pvc", f"{CLAIM}{ordinal}", "--wait=true")
    told.say(f"somebody deletes the volumes of {pod(3)} and {pod(4)}")
    before = uids(driver, "pods", prefix="cockroachdb-")
    driver.kubectl("delete", "pod", *(pod(ordinal) for ordinal in range(3)), "--wait=false")
    told.say("all other nodes are restarted")

    async def are_back() -> list[dict[str, str]] | None:
        now = uids(driver, "pods", prefix="cockroachdb-")
        if any(now.get(pod(ordinal)) in (None, before[pod(ordinal)]) for ordinal in range(3)):
            return None
        with contextlib.suppress(Exception):  # the database is asked before it serves
            found = rows(driver)
            return found if [row["is_live"] for row in found].count("true") == 3 else None
        return None

    found = await until(are_back, "three nodes live again", seconds=60)
    (lost,) = [row for row in found if row["is_live"] == "false" and row["membership"] == "active"]
    told.check("the database has no address of the lost one", lost["address"] in ("", "NULL"), found=lost)
    return int(lost["id"])


async def _given_up(driver: Driver, told: Told, lost: int) -> WorkflowHandle[Any, Any]:
    """See the dead node, be refused, and give it up."""
    name = f"n{lost} (pod unknown)"
    said = await until_status(driver, "3 of 3 nodes ready", f"n{lost}, dead, active")
    told.say(f"the status shows it as dead: {said}")
    refused = await driver.type_change("erin", "/crdb scale 4")
    said = text_of(await driver.root(refused, words="failed"))
    told.check("a scale is refused, naming it", f"{name} is dead" in said, found=said)
    told.check("and says what gives it up", "/crdb scale 4 --decommission-dead" in said, found=said)
    before = len(await driver.page.ephemerals("vic"))
    await driver.page.command("vic", _GIVE_UP)
    said = text_of(await driver.page.until_ephemeral("vic", after=before, words="operator"))
    told.check("vic may not", "Nothing was started" in said, found=said)
    run = await driver.type_change("erin", _GIVE_UP)
    told.say(f"erin types {_GIVE_UP}")
    result = await run.result()
    told.check("it is given up", (result["outcome"], result["decommissioned"]) == ("scaled", [lost]), found=result)
    left = memberships(driver)
    told.check("it is decommissioned, and no other", left[lost] == "decommissioned", found=left)
    told.check("three are active", list(left.values()).count("active") == 3, found=left)
    said = await driver.status(words="3 of 3 nodes ready")
    told.check("the status shows nothing of it", "dead" not in said and "recorded" not in said, found=said)
    told.say(written_in(await driver.root(run, words="done")))
    return run


def _kubectl_scales(driver: Driver, told: Told, replicas: int) -> None:
    driver.kubectl("scale", "statefulset", "cockroachdb", f"--replicas={replicas}")
    told.say(f"somebody scales to {replicas} with kubectl")


def _replicas(driver: Driver) -> int:
    return int(driver.kubectl("get", "statefulset", "cockroachdb", "-o", "jsonpath={.spec.replicas}"))


#: Three minutes without a moved replica are the default.
STORY = Story(play, settings="[clusters.crdb.scale]\nstalled_minutes = 0.1\n")
