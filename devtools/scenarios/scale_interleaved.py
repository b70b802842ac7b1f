"""Five nodes to three, changed back to five half way, while much goes wrong: no node is lost, none is left leaving.

1. `/crdb scale 3`, with 409s of the API server and slow replicas. 2. The top pod is deleted by hand, the ops worker
killed, an answer lost. 3. Somebody else types `/crdb scale 5`, is told who was first, and clicks to change the running
one. 4. It ends with five active nodes, the same volumes, and no request for a new certificate. 5. `/crdb scale 4` is
cancelled during the drain: the node is taken back and serves again.
"""

from __future__ import annotations

import contextlib
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

from activities.manifests.installation import OPS
from devtools.faulty_api import FaultyApi
from devtools.page import actions_of, text_of, until
from devtools.scenarios.counted import check_no_message_twice
from devtools.scenarios.driver import Driver, history_events, seconds_of
from devtools.scenarios.scaled import CLAIM, deploy, pod, root_says, rows, trouble, uids
from devtools.scenarios.story import Story
from devtools.scenarios.told import Told

_NODES = 5
#: Slow enough that all of it happens while replicas move: about ninety have to.
_MOVES_PER_SECOND = 1.0
#: Long enough to click Cancel meanwhile.
_DRAIN_SECONDS = 20


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    await deploy(driver, told, nodes=_NODES)
    folder = driver.stack.folder
    ca = folder / "api-ca.crt"
    ca.write_text(driver.kubectl("get", "cm", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}"))
    async with FaultyApi(driver.stack.cluster.server, ca=ca) as api:
        api.redirect(folder / f"{OPS}.kubeconfig")
        await driver.restart(driver.stack.ops)
        told.say("ops: reaches the API server through a proxy that answers wrongly on request")
        changed = await _changed(driver, told, api)
        cancelled = await _cancelled(driver, told)
    await check_no_message_twice(driver, told)
    return {
        "seconds of the changed scale": round(await seconds_of(changed), 1),
        "history events": await history_events(changed),
        "seconds of the cancelled one": round(await seconds_of(cancelled), 1),
        "history events of it": await history_events(cancelled),
    }


async def _changed(driver: Driver, told: Told, api: FaultyApi) -> WorkflowHandle[Any, Any]:
    """Scale to three, and have it changed to five amid all the trouble."""
    trouble(driver, 0, moves_per_second=_MOVES_PER_SECOND)
    claims, asked = uids(driver, "pvc", prefix=CLAIM), set(driver.csr_conditions())
    api.fault("409", "PATCH", f"/persistentvolumeclaims/{CLAIM}", count=2)
    api.fault("503", "GET", "/statefulsets/cockroachdb")
    run = await driver.type_change("erin", f"/crdb scale {_NODES - 2}")
    told.say(f"erin types /crdb scale {_NODES - 2}; the API server answers 503 once and 409 twice")
    said = await root_says(driver, run, "a minute")
    told.check("replicas move: the message has a bar and says how fast", "░" in said, found=said)
    left = {row["membership"] for row in rows(driver) if row["id"] in ("2", "4")}
    told.check("nodes 2 and 4 are decommissioning", left == {"decommissioning"}, found=left)
    told.check("every fault was met", not api.left(), found=api.left())

    driver.kubectl("delete", "pod", pod(_NODES - 1), "--wait=false")
    told.say(f"somebody deletes {pod(_NODES - 1)} by hand")
    await driver.restart(driver.stack.ops)
    told.say("ops: killed with SIGKILL and started again")
    api.fault("lost", "GET", "/exec", "command=recommission")
    await _change(driver, told, run)
    result = await run.result()
    told.check("the answer of a recommission was lost, which was sent again", not api.left(), found=api.left())
    told.check(
        "scaled to five, and nobody left",
        (result["outcome"], result["nodes"], result["decommissioned"]) == ("scaled", _NODES, []),
        found=result,
    )
    root = await driver.root(run, words="done")
    told.check(
        "the message says who was taken back",
        "n2 (cockroachdb-4), n4 (cockroachdb-3) taken back" in text_of(root),
        found=text_of(root),
    )
    await _five_and_well(driver, told)
    told.check("the volumes are the same", uids(driver, "pvc", prefix=CLAIM) == claims)
    told.check("no new request", set(driver.csr_conditions()) == asked, found=driver.csr_conditions())
    return run


async def _change(driver: Driver, told: Told, run: WorkflowHandle[Any, Any]) -> None:
    """Type a second scale, be refused, and change the running one instead."""
    before = len(await driver.page.ephemerals("ada"))
    await driver.page.command("ada", f"/crdb scale {_NODES}")
    said = await driver.page.until_ephemeral("ada", after=before, words="another operation is running")
    told.check(
        "ada's /crdb scale 5 is refused, and says who was first",
        "erin" in text_of(said).lower() and "retarget" in actions_of(said),
        found=text_of(said),
    )
    answer = await driver.page.click("ada", said, "retarget")
    assert answer["ok"], f"the click was not taken: {answer}"
    told.say("ada clicks Change the running one to 5")

    async def is_changed() -> bool:
        return f"to {_NODES} nodes" in (await driver.operation(run)).headline

    await until(is_changed, "the running scale goes to 5", seconds=60)


async def _cancelled(driver: Driver, told: Told) -> WorkflowHandle[Any, Any]:
    """Scale down by one, and cancel while the node drains."""
    top = _NODES - 1
    trouble(driver, 0, moves_per_second=100)
    trouble(driver, top, drain_seconds=_DRAIN_SECONDS)
    before = uids(driver, "pods", prefix=pod(top))
    run = await driver.type_change("erin", f"/crdb scale {top}")
    told.say(f"erin types /crdb scale {top}")

    async def drains() -> bool:
        return any(step.name == "drain" and step.state == "running" for step in (await driver.operation(run)).steps)

    await until(drains, "the node drains", seconds=90)
    answer = await driver.page.click("erin", await driver.root(run), "cancel")
    assert answer["ok"], f"the click was not taken: {answer}"
    told.say("erin clicks Cancel while the node drains")
    with contextlib.suppress(WorkflowFailureError):  # that is how it ends; the message says as what
        await run.result()
    said = text_of(await driver.root(run, words="cancelled"))
    told.check("the message says who was taken back, and restarted", "restarted, since" in said, found=said)

    async def is_new() -> bool:
        found = uids(driver, "pods", prefix=pod(top))
        return bool(found) and found != before

    await until(is_new, f"{pod(top)} is another pod", seconds=60)
    told.check("its pod is another one, since a drained node serves no more", True)
    await _five_and_well(driver, told)
    return run


async def _five_and_well(driver: Driver, told: Told) -> None:
    async def are_well() -> list[dict[str, str]] | None:
        found = rows(driver)
        states = [(row["is_live"], row["is_draining"]) for row in found]
        return found if states == [("true", "false")] * _NODES else None

    found = await until(are_well, "five nodes live", seconds=60)
    ids = {row["address"].split(".")[0]: row["id"] for row in found}
    said = {row["membership"] for row in found}
    told.check("five active nodes, none decommissioning", said == {"active"}, found=found)
    told.check("node 2 is on the highest ordinal still", ids[pod(_NODES - 1)] == "2", found=ids)


STORY = Story(play)
