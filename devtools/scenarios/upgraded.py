"""What the stories of an upgrade share: three nodes with rows, which release runs where, what is refused, who was away.

Here is nothing that a person could not do or see.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

from devtools.page import Message, text_of, until
from devtools.scenarios.driver import CLIENT_POD, CSRS, NODES, Driver, origin_of
from devtools.scenarios.scaled import answer, gate_card, rows
from devtools.scenarios.told import Told
from devtools.stack import VERSION

MAJOR = "v25.4.1"
UPGRADE = f"/crdb upgrade {MAJOR} backup=taken"
GO_ON = "Go on with the other 2 nodes?"
#: The scenarios' cluster has its copies back within seconds of a restart.
SETTINGS = """
[clusters.crdb.upgrade]
gate_pause_seconds = 1
"""
#: Newest first.
CANARY, SECOND, LAST = reversed(NODES)


async def deploy_with_rows(driver: Driver, told: Told) -> None:
    """Deploy three nodes on the first release, and insert rows."""
    run = await driver.type_change("erin", "/crdb deploy")
    for csr in CSRS:
        await driver.approve("ada", await driver.card(csr, action="approve"))
    result = await run.result()
    told.check(f"three nodes of {VERSION} are deployed", result["outcome"] == "deployed", found=result)
    for statement in (
        "CREATE DATABASE bank",
        "CREATE TABLE bank.accounts (id INT PRIMARY KEY, balance DECIMAL)",
        "INSERT INTO bank.accounts VALUES (1, 1000.50)",
    ):
        driver.sql(statement)
    check_rows(driver, told)


def check_rows(driver: Driver, told: Told) -> None:
    """Check that what was inserted after the deploy is there."""
    said = driver.sql("SELECT * FROM bank.accounts")
    told.check("the rows are there", "1000.5" in said, found=said)


def check_releases(driver: Driver, told: Told, wanted: dict[str, str], *, active: str) -> None:
    """Check which release runs in each pod, what each node says that it is, and the active version."""
    images = {
        pod["metadata"]["name"]: next(
            c["image"].rpartition(":")[2] for c in pod["spec"]["containers"] if c["name"] == "cockroachdb"
        )
        for pod in driver.objects("pods")
        if pod["metadata"]["name"] in NODES
    }
    builds = {row["address"].split(".")[0]: row["build"] for row in rows(driver)}
    version = setting(driver, "version")
    told.check(
        f"{', '.join(f'{pod} {release}' for pod, release in wanted.items())}; active version {active}",
        images == builds == wanted and version == active,
        found=(images, builds, version),
    )


def check_client(driver: Driver, told: Told, version: str) -> None:
    """Check that the client pod is of a release, in its image and in what its program says."""
    (pod,) = (pod for pod in driver.objects("pods") if pod["metadata"]["name"] == CLIENT_POD)
    image = pod["spec"]["containers"][0]["image"].rpartition(":")[2]
    said = driver.kubectl("exec", CLIENT_POD, "--", "/cockroach/cockroach", "version")
    told.check(f"the client pod is of {version}", image == version and version in said, found=(image, said))


async def observation(driver: Driver, words: str, *, seconds: float = 60) -> Message:
    """Wait until the newest card of an upgrade that is not final says something."""

    async def look() -> Message | None:
        cards = [m for m in await driver.page.messages("ada") if origin_of(m).get("kind") == "observation"]
        return cards[-1] if cards and words.lower() in text_of(cards[-1]).lower() else None

    return await until(look, f"the card of the upgrade says “{words}”", seconds=seconds)


def setting(driver: Driver, name: str) -> str:
    """Return a cluster setting's value as the client pod is told it."""
    return driver.sql(f"SHOW CLUSTER SETTING {name}").partition("\n")[2].strip().strip('"')


async def typed(driver: Driver, persona: str, line: str, *, words: str) -> str:
    """Type a line that starts nothing; return what the person alone is told."""
    before = len(await driver.page.ephemerals(persona))
    await driver.page.command(persona, line)
    return text_of(await driver.page.until_ephemeral(persona, after=before, words=words))


async def refused_run(driver: Driver, told: Told, line: str, *words: str) -> None:
    """Type a line whose preflight finds reasons against it; check that the operation's message has these words."""
    run = await driver.type_change("ada", line)
    await ended_early(run)
    said = text_of(await driver.root(run, words="failed"))
    told.check(f"{line} is refused: {', '.join(words)}", all(word in said for word in words), found=said)


async def ended_early(run: WorkflowHandle[Any, Any]) -> None:
    """Wait for the end of a run that is refused or cancelled.

    Raises:
        AssertionError: It went well.
    """
    try:
        result = await run.result()
    except WorkflowFailureError:
        return
    raise AssertionError(f"expected that the run ends early; found: {result}")


async def say(driver: Driver, run: WorkflowHandle[Any, Any], words: str, action: str, *, seconds: float = 90) -> None:
    """Let abe answer a question."""
    await answer(driver, "abe", await gate_card(driver, run, words, action=action, seconds=seconds), action)


async def until_step(driver: Driver, run: WorkflowHandle[Any, Any], pod: str, state: str) -> None:
    """Wait until the step of a pod is in a state, such as running."""

    async def look() -> bool:
        steps = (await driver.operation(run)).steps
        return any(step.title.startswith(f"{pod} ") and step.state == state for step in steps)

    await until(look, f"the step of {pod} is {state}", seconds=90)


def check_one_at_a_time(driver: Driver, told: Told, order: tuple[str, ...]) -> None:
    """Check that each pod was replaced once, in this order, and none before the one before it was ready again.

    Kubernetes tells: when the controller deleted a pod by its event, when the next of that name was ready by its
    condition; both to the second.
    """
    deleted = {
        event["message"].split()[2]: (_time(event["lastTimestamp"]), event.get("count", 1))
        for event in driver.objects("events")
        if event["reason"] == "SuccessfulDelete" and event["involvedObject"]["kind"] == "StatefulSet"
    }
    ready = {
        pod["metadata"]["name"]: _time(c["lastTransitionTime"])
        for pod in driver.objects("pods")
        for c in pod["status"]["conditions"]
        if c["type"] == "Ready" and c["status"] == "True"
    }
    found = {pod: (*deleted.get(pod, (None, 0)), ready.get(pod)) for pod in order}
    told.check("Kubernetes: each pod was replaced once", all(n == 1 for _, n, _ in found.values()), found=deleted)
    told.check(
        "Kubernetes: no two pods were away at the same time",
        all(deleted[after][0] >= ready[before] for before, after in pairwise(order)),
        found=found,
    )


def _time(said: str) -> datetime:
    return datetime.fromisoformat(said)
