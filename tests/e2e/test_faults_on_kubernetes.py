"""Chosen cells of the fault matrix on a real Kubernetes, in one world: a deploy until init, and then an init.

A proxy before the API server answers the workers wrongly; Slack, the bot and Temporal fail as in the scenario of that
name. The whole matrix is `tests/workflows/test_faults`, on fakes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from activities.manifests.installation import OPS, SIGNER
from devtools.faulty_api import FaultyApi, Kind
from devtools.page import until
from devtools.scenarios.driver import CLIENT_POD, CSRS, NODES, Driver
from devtools.stack import Stack

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

#: operation, step, fault, and how it is brought about: kind, method, words of the path.
DEPLOY: tuple[tuple[str, Kind, str, tuple[str, ...]], ...] = (
    ("deploy preflight 429", "429", "GET", ("/version",)),
    ("deploy authority 5xx", "503", "POST", ("/namespaces/crdbops-system/secrets",)),
    ("deploy objects 409", "409", "PATCH", ("/services/cockroachdb-public",)),
    ("deploy objects time-out", "lost", "POST", ("/statefulsets",)),
    ("certify read 429", "429", "GET", ("/certificatesigningrequests/crdb.node.cockroachdb-0",)),
    ("certify approve 409", "409", "", ("/certificatesigningrequests/", "/approval")),
    ("certify sign time-out", "lost", "", ("/certificatesigningrequests/", "/status")),
)
INIT: tuple[tuple[str, Kind, str, tuple[str, ...]], ...] = (
    ("init preflight 5xx", "503", "GET", ("/statefulsets/cockroachdb",)),
    ("init running time-out", "lost", "POST", ("/pods",)),
    ("init running watch dropped", "cut", "GET", ("/pods", "watch=true")),
    ("init init answer lost", "lost", "GET", ("/exec", "command=init")),
    ("init sql 5xx", "503", "GET", ("/exec", "command=SELECT")),
)
#: What is no answer of the API server's.
BESIDE = (
    "deploy certificates watch dropped", "deploy certificates Temporal killed", "deploy running bot away",
    "deploy message Slack 429",
)  # fmt: skip


async def test_a_deploy_and_an_init_survive_what_the_api_server_slack_and_temporal_do(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "world", name="e2efaults")
    try:
        await stack.up()
        ca = tmp_path / "ca.crt"
        ca.write_text(stack.cluster.kubectl("get", "cm", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}"))
        async with FaultyApi(stack.cluster.server, ca=ca) as api:
            driver = await Driver.of(stack)
            for child, identity in ((stack.ops, OPS), (stack.signer, SIGNER)):
                api.redirect(stack.folder / f"{identity}.kubeconfig")
                await driver.restart(child)
            await _deploy_until_init(driver, api)
            met = len(api.met)
            await _initialize(driver, api)
            print("\n".join(["met:", *api.met]))
            assert met >= len(DEPLOY)
        await _nothing_is_doubled(driver)
    except BaseException:
        for child in stack.children.values():
            print(f"--- {child.log}\n{child.tail(40)}")
        raise
    finally:
        await stack.down()


async def _deploy_until_init(driver: Driver, api: FaultyApi) -> None:
    """Deploy under faults, and stop before init: pods cannot be listed until somebody cancels."""
    for _, kind, method, words in DEPLOY:
        api.fault(kind, method, *words)
    await driver.page.fault("chat.postMessage", "429")
    run = await driver.type_change("erin", "/crdb deploy")

    async def made() -> bool:
        return any("/statefulsets" in met for met in api.met)

    await until(made, "the nodes' StatefulSet was made", seconds=60)

    async def cut() -> int:
        return api.cut_watches("certificatesigningrequests")

    await until(cut, "the watch of requests was cut", seconds=20)
    cards = [await driver.card(csr, action="approve") for csr in CSRS]
    await driver.approve("ada", cards[0])
    driver.stack.temporal.kill()
    await driver.stack.temporal.start()
    for card in cards[1:3]:
        await driver.approve("ada", card)
    await until(_all_met(api), f"all of {api.left()} were met", seconds=60)

    api.fault("503", "GET", "/pods?", "labelSelector", count=10_000)
    await driver.approve("ada", cards[3])
    driver.stack.bot.kill()
    await _until_step(driver, run, "running")
    driver.stack.bot.start()
    await driver.stack.bot.wait_ready()
    await driver.page.command("erin", "/crdb cancel")
    with pytest.raises(WorkflowFailureError):
        await run.result()
    api.clear()


def _all_met(api: FaultyApi) -> Any:
    async def look() -> bool:
        return not api.left()

    return look


async def _until_step(driver: Driver, run: WorkflowHandle[Any, Any], name: str) -> None:
    async def look() -> bool:
        status = await driver.operation(run)
        return any((step.name, step.state) == (name, "running") for step in status.steps)

    await until(look, f"the step {name} runs", seconds=60)


async def _initialize(driver: Driver, api: FaultyApi) -> None:
    """The client pod is lost as well; init makes it again, and nobody is asked for its certificate."""
    driver.kubectl("delete", "pod", CLIENT_POD, "--wait=true")
    for _, kind, method, words in INIT:
        api.fault(kind, method, *words)
    run = await driver.type_change("erin", "/crdb init")

    result = await run.result()

    assert result["outcome"] == "initialized"
    assert api.left() == []
    root = await driver.root(run, words="done", seconds=90)
    assert "Initialize" in str(root)
    again = await (await driver.type_change("erin", "/crdb init")).result()
    assert (again["outcome"], again["cluster_id"]) == ("nothing-to-do", result["cluster_id"])


async def _nothing_is_doubled(driver: Driver) -> None:
    begun = {pod: driver.kubectl("logs", pod, "-c", "cockroachdb").count("initialized new cluster") for pod in NODES}
    assert begun == {NODES[0]: 1, NODES[1]: 0, NODES[2]: 0}
    assert driver.csr_conditions() == dict.fromkeys(CSRS, "Approved,Issued")
    posted = [message["metadata"]["event_payload"] for message in await driver.page.messages("ada")
              if (message.get("metadata") or {}).get("event_payload")]  # fmt: skip
    origins = [str(sorted(one.items())) for one in posted]
    assert len(origins) == len(set(origins))
    assert "\n1\n" in f"\n{driver.sql('SELECT 1')}\n"
