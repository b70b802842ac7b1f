"""A node killed on purpose: one pod deleted, the same node back on the same volume, SQL answering meanwhile.

1. Before the client pod has its certificate, status says so; after a deploy it shows every part. 2. A drill of a node
that does not exist, and one by a viewer, delete nothing. 3. A drill deletes one pod; its name, volume, node id and
certificate stay. 4. Status is whole again.
"""

from __future__ import annotations

from typing import Any

from devtools.page import actions_of, text_of
from devtools.scenarios.driver import CSRS, NODES, Driver, history_events, seconds_of
from devtools.scenarios.scaled import rows, until_status
from devtools.scenarios.story import Story
from devtools.scenarios.told import Told

_POD = NODES[1]
_REPLICATED = "0 under-replicated, 0 unavailable"


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    deploy = await driver.type_change("erin", "/crdb deploy")
    cards = [await driver.card(csr, action="approve") for csr in CSRS]
    early = await driver.status()
    told.check("status before certificates names the reason", "not asked: no client certificate yet" in early)
    for card in cards:
        await driver.approve("ada", card)
    told.check("deploy ends as deployed", (await deploy.result())["outcome"] == "deployed")

    whole = await until_status(driver, "3 of 3 nodes ready", _REPLICATED)  # ranges get their copies after the deploy
    told.say(whole)
    for words in (" replicas", "volume Bound", "days left", "Running now: nothing"):
        told.check(f"status shows “{words.strip()}”", words in whole, found=whole)
    told.check("days left are the nodes' own words", "as issued" not in whole, found=whole)

    before, asked = _facts(driver), set(driver.csr_conditions())
    ids = {row["address"]: row["id"] for row in rows(driver)}
    await _refused(driver, told)
    told.check("refusals delete nothing", _facts(driver) == before)

    run = await driver.type_change("erin", f"/crdb drill kill-node {_POD}")
    result = await run.result()
    told.say(f"gone {result['gone_seconds']} s, ready {result['ready_seconds']} s, well {result['healthy_seconds']} s")
    told.say(f"SQL {result['sql_answered']} of {result['sql_asked']}, gap {result['longest_gap_seconds']} s")
    after = _facts(driver)
    told.check("the drill ends as survived", result["outcome"] == "survived", found=result)
    told.check("one pod is another one", [n for n in NODES if before[n][0] != after[n][0]] == [_POD], found=after)
    told.check("its volume is the same", before[_POD][1] == after[_POD][1] != "", found=after)
    now = {row["address"]: row["id"] for row in rows(driver)}
    told.check("its node id is the same, and nobody joined", now == ids, found=now)
    told.check("its certificate was used again", set(driver.csr_conditions()) == asked)
    told.check("SQL answered meanwhile", result["sql_answered"] > 0 and result["sql_asked"] > 0, found=result)
    root = await driver.root(run, words="done")
    is_told = "ready again after" in text_of(root) and "longest gap" in text_of(root)
    told.check("the message shows the times", is_told and "cancel" not in actions_of(root), found=text_of(root))
    told.say(await until_status(driver, "3 of 3 nodes ready", _REPLICATED))
    return {
        "seconds until ready": result["ready_seconds"],
        "SQL asked": result["sql_asked"],
        "SQL answered": result["sql_answered"],
        "longest gap": result["longest_gap_seconds"],
        "seconds": round(await seconds_of(run), 1),
        "history events": await history_events(run),
    }


async def _refused(driver: Driver, told: Told) -> None:
    run = await driver.type_change("erin", "/crdb drill kill-node 9")
    root = await driver.root(run, words="failed")
    told.check("a node that is not there is refused", "expected 0 to 2" in text_of(root), found=text_of(root))
    said = await _typed(driver, "vic", f"/crdb drill kill-node {_POD}", words="operator")
    told.check("a viewer may not", "operator" in said, found=said)
    said = await _typed(driver, "erin", "/crdb drill eat-node 1", words="expected kill-node")
    told.check("another drill is not known", "Nothing was started" in said, found=said)


async def _typed(driver: Driver, persona: str, text: str, *, words: str) -> str:
    before = len(await driver.page.ephemerals(persona))
    await driver.page.command(persona, text)
    return text_of(await driver.page.until_ephemeral(persona, after=before, words=words))


def _facts(driver: Driver) -> dict[str, tuple[str, str]]:
    """Uid of each node's pod, and the volume of its claim."""
    claims: list[dict[str, Any]] = driver.objects("persistentvolumeclaims")
    volumes = {claim["metadata"]["name"]: claim["spec"].get("volumeName", "") for claim in claims}
    return {
        pod["metadata"]["name"]: (pod["metadata"]["uid"], volumes.get(f"datadir-{pod['metadata']['name']}", ""))
        for pod in driver.objects("pods")
        if pod["metadata"]["name"] in NODES
    }


STORY = Story(play)
