"""What the stories of a scale share: a deployed cluster with ids that follow no ordinal, its rows, cards of questions.

Here is nothing that a person could not do or see; only the stand-in node's faults are written beside it, into a volume.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from temporalio.client import WorkflowHandle

from devtools.page import Message, actions_of, text_of, until
from devtools.scenarios.driver import CLIENT_POD, Driver, origin_of
from devtools.scenarios.told import Told
from devtools.stack import REF
from operations.gate import GATES, Gates, GateState, GateStatus

#: Node ids by pod: 1, 3 and 5 first, then 4 and 2, so that node 2 is on the highest ordinal.
IDS = {"cockroachdb-1": 3, "cockroachdb-2": 5, "cockroachdb-3": 4, "cockroachdb-4": 2}
CLAIM = "datadir-cockroachdb-"


def pod(ordinal: int) -> str:
    """Name a node's pod."""
    return f"cockroachdb-{ordinal}"


def trouble(driver: Driver, ordinal: int, **faults: object) -> None:
    """Write the stand-in node's `faults.json` into a pod's volume."""
    volume = driver.kubectl("get", "pvc", f"{CLAIM}{ordinal}", "-o", "jsonpath={.spec.volumeName}")
    folder = driver.stack.cluster.state_dir / "volumes" / volume
    part = folder / "faults.json.new"
    part.write_text(json.dumps(faults))
    part.rename(folder / "faults.json")


async def deploy(driver: Driver, told: Told, *, nodes: int) -> None:
    """Deploy so many nodes, with these ids."""
    run = await driver.type_change("erin", f"/crdb deploy nodes={nodes}")
    csrs = [*(f"{REF.namespace}.node.{pod(ordinal)}" for ordinal in range(nodes)), f"{REF.namespace}.client.root"]
    cards = [await driver.card(csr, action="approve") for csr in csrs]
    trouble(driver, 0, node_ids=IDS)
    for card in cards:
        await driver.approve("ada", card)
    result = await run.result()
    told.check(f"{nodes} nodes are deployed", result["outcome"] == "deployed", found=result)
    ids = {row["address"].split(".")[0]: int(row["id"]) for row in rows(driver)}
    wanted = {pod(0): 1, **{name: number for name, number in IDS.items() if name < pod(nodes)}}
    told.check(f"their ids are {wanted}", ids == wanted, found=ids)


async def approve_new(driver: Driver, known: set[str], *, of: str, by: str = "ada") -> str:
    """Wait for the request of a pod that was not known, and approve its card; return its name."""

    async def asked() -> str | None:
        found = set(driver.csr_conditions()) - known
        return next((csr for csr in found if csr.startswith(f"{REF.namespace}.node.{of}")), None)

    csr = await until(asked, f"{of} asks for its certificate", seconds=90)
    await driver.approve(by, await driver.card(csr, action="approve"))
    return csr


def rows(driver: Driver) -> list[dict[str, str]]:
    """Return what `cockroach node status` says of every node, through the client pod."""
    said = driver.kubectl(
        *("exec", CLIENT_POD, "--", "/cockroach/cockroach", "node", "status", "--all", "--format=csv"),
        *("--certs-dir=/cockroach/cockroach-certs", "--host=cockroachdb-public"),
    )
    return list(csv.DictReader(io.StringIO(said)))


def memberships(driver: Driver) -> dict[int, str]:
    """Return the membership of every node by id."""
    return {int(row["id"]): row["membership"] for row in rows(driver)}


def uids(driver: Driver, kind: str, *, prefix: str) -> dict[str, str]:
    """Return the uids of the objects of a kind by name."""
    found = (item["metadata"] for item in driver.objects(kind))
    return {meta["name"]: meta["uid"] for meta in found if meta["name"].startswith(prefix)}


async def gate_of(driver: Driver, run: WorkflowHandle[Any, Any], words: str) -> GateStatus:
    """Return how the newest question with these words in its headline stands."""
    found: Gates = await run.query(GATES, result_type=Gates)
    return [gate for gate in found.gates if words in gate.question.headline][-1]


async def gate_card(
    driver: Driver, run: WorkflowHandle[Any, Any], words: str, *, says: str = "", action: str = "", seconds: float = 60
) -> Message:
    """Wait for the card of a question with these words: for what it says, or for a button."""

    def is_it(message: Message) -> bool:
        origin, said = origin_of(message), text_of(message)
        return (
            origin.get("kind") == "gate"
            and origin.get("run_id") == run.run_id
            and words in said
            and says.lower() in said.lower()
            and (not action or action in actions_of(message))
        )

    return await driver.page.until_message("ada", f"a card asks “{words}” and says “{says}”", is_it, seconds=seconds)


async def answer(driver: Driver, persona: str, card: Message, action: str) -> None:
    """Click a button of a question's card."""
    taken = await driver.page.click(persona, card, action)
    assert taken["ok"], f"the click was not taken: {taken}"


async def until_gate(driver: Driver, run: WorkflowHandle[Any, Any], words: str, state: GateState) -> GateStatus:
    """Wait until a question has ended in a state."""

    async def look() -> GateStatus | None:
        found = await gate_of(driver, run, words)
        return found if found.state == state else None

    return await until(look, f"“{words}” is {state}", seconds=30)


async def two_say_yes(driver: Driver, run: WorkflowHandle[Any, Any], words: str) -> GateStatus:
    """Let two people say yes to a question, one after the other."""
    await answer(driver, "ada", await gate_card(driver, run, words, action="approve"), "approve")
    await answer(driver, "abe", await gate_card(driver, run, words, says="1 more needed", action="approve"), "approve")
    return await until_gate(driver, run, words, "approved")


async def root_says(driver: Driver, run: WorkflowHandle[Any, Any], words: str, *, seconds: float = 90) -> str:
    """Wait until the operation's message says something; return all that it says."""

    async def look() -> str | None:
        said = text_of(await driver.root(run))
        return said if words in said else None

    return await until(look, f"the operation's message says “{words}”", seconds=seconds)


async def until_status(driver: Driver, *words: str) -> str:
    """Ask again until the status says all of this."""

    async def look() -> str | None:
        said = await driver.status()
        return said if all(one in said for one in words) else None

    return await until(look, f"the status says {words}", seconds=60)
