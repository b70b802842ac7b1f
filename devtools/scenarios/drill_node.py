"""A machine that dies under the database: a whole Kubernetes node killed and started again, people asking meanwhile.

1. Three nodes on three machines. 2. One machine is killed while somebody asks for the status, which then names the
database node that does not live. 3. A scale is refused, naming it; SQL answers. 4. The machine is started again: the
same pod, volume, node id and certificate, and the status is whole. 5. No secret of any of the machines is anywhere.
"""

from __future__ import annotations

import asyncio
import time

from devtools.page import text_of
from devtools.scenarios.driver import CLIENT_POD, CSRS, NODES, Driver, since
from devtools.scenarios.leaks import check_for_leaks
from devtools.scenarios.scaled import rows, uids, until_status
from devtools.scenarios.story import Story
from devtools.scenarios.told import Told


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    deploy = await driver.type_change("erin", "/crdb deploy")
    for card in [await driver.card(csr, action="approve") for csr in CSRS]:
        await driver.approve("ada", card)
    told.check("deploy ends as deployed", (await deploy.result())["outcome"] == "deployed")
    machines = _machines(driver)
    told.check("each node has its own machine", len({machines[pod] for pod in NODES}) == len(NODES), found=machines)

    cluster = driver.stack.cluster
    # The first machine has the control plane, and without the client pod nobody could be asked.
    pod = next(p for p in NODES if machines[p] not in (cluster.node_name, machines[CLIENT_POD]))
    machine = cluster.node_names.index(machines[pod]) + 1
    before, asked = _facts(driver), set(driver.csr_conditions())
    ids = {row["address"]: row["id"] for row in rows(driver)}
    name = f"n{next(number for address, number in ids.items() if address.startswith(f'{pod}.'))}"

    begun = time.monotonic()
    early, _ = await asyncio.gather(driver.status(), asyncio.to_thread(cluster.kill_node, machine))
    told.check("the status that ran meanwhile answered", "nodes ready" in early, found=early)
    dead = await until_status(driver, "2 of 3 nodes ready", f"{name}  ·  Running  ·  not live")
    dead_seconds = time.monotonic() - begun
    told.say(f"{since(begun)} after {machines[pod]} was killed: {dead}")
    told.check("two nodes live", dead.count("·  live") == 2, found=dead)

    scale = await driver.type_change("erin", "/crdb scale 4")
    said = text_of(await driver.root(scale, words="failed"))
    told.check("a scale is refused, naming it", f"{name} ({pod}) is dead" in said, found=said)
    told.check("nothing was changed", uids(driver, "pods", prefix="cockroachdb-").keys() == {*NODES, CLIENT_POD})
    answered = driver.sql("SELECT 1")
    told.check("SQL answers", "\n1\n" in f"\n{answered}\n", found=answered)

    begun = time.monotonic()
    await asyncio.to_thread(cluster.start_node, machine)
    whole = await until_status(driver, "3 of 3 nodes ready", "0 under-replicated, 0 unavailable", "1 restarts")
    whole_seconds = time.monotonic() - begun
    told.say(f"{since(begun)} after it was started: {whole}")
    told.check("all nodes live", whole.count("·  live") == len(NODES), found=whole)
    told.check("pods and volumes are the same", _facts(driver) == before, found=_facts(driver))
    now = {row["address"]: row["id"] for row in rows(driver)}
    told.check("so are the node ids, and nobody joined", now == ids, found=now)
    told.check("its certificate was used again", set(driver.csr_conditions()) == asked)
    looked = await check_for_leaks(driver)
    return {
        "seconds until named": round(dead_seconds, 1),
        "seconds until whole": round(whole_seconds, 1),
        "secrets found nowhere": looked["secrets"],
    }


def _machines(driver: Driver) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in driver.objects("pods")}


def _facts(driver: Driver) -> dict[str, str]:
    """Uids of all pods and volume claims."""
    return {**uids(driver, "pods", prefix=""), **uids(driver, "pvc", prefix="")}


STORY = Story(play, nodes=3)
