"""A scale from three nodes to four, against the same by hand; and what a scale asks of Kubernetes while it waits.

The ops worker's requests go through a proxy that counts them (`devtools.faulty_api`), from the moment at which the wait
has begun. An exec in the client pod is a command of the database, and counted apart.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from temporalio.client import WorkflowFailureError

from activities.manifests.installation import OPS
from devtools.bench import deploys
from devtools.faulty_api import FaultyApi
from devtools.page import until
from devtools.scenarios.driver import Driver
from devtools.scenarios.scaled import memberships, pod, trouble
from devtools.stack import REF, Stack
from operations.messages import OperationStatus

#: A wait is counted for this long: two polls a minute would be seen.
_SECONDS = 30.0
#: So slow that replicas move for longer than that.
_MOVES_PER_SECOND = 0.2


async def by_hand(stack: Stack) -> float:
    """Run the script on the cluster that was deployed by hand; return its seconds."""
    return await deploys.script(stack, "scale_by_hand.sh", str(stack.folder / "by-hand"), "4")


async def by_us(driver: Driver) -> float:
    """Scale through chat, the new node's card approved as soon as it is there; return the seconds."""
    begun = time.monotonic()
    run = await driver.type_change("erin", "/crdb scale 4")
    approving = asyncio.create_task(deploys.approve(driver, _csr(3)))
    result = await run.result()
    seconds = time.monotonic() - begun
    await approving
    assert result["outcome"] == "scaled", result
    return seconds


async def waiting(driver: Driver) -> dict[str, float]:
    """Scale to five and back to four; return the requests a minute while a card waits, and while replicas move."""
    stack = driver.stack
    ca = stack.folder / "ca.crt"
    ca.write_text(stack.cluster.kubectl("get", "cm", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}"))
    kubeconfig = stack.folder / f"{OPS}.kubeconfig"
    direct = kubeconfig.read_text()
    async with FaultyApi(stack.cluster.server, ca=ca) as proxy:
        proxy.redirect(kubeconfig)
        await driver.restart(stack.ops)
        run = await driver.type_change("erin", "/crdb scale 5")
        card = await driver.card(_csr(4), action="approve", seconds=120)
        requests, _ = await _counted(proxy)
        await driver.approve("ada", card)
        await run.result()

        trouble(driver, 0, moves_per_second=_MOVES_PER_SECOND)
        run = await driver.type_change("erin", "/crdb scale 4")

        async def moves() -> bool:
            status: OperationStatus = await driver.operation(run)
            return any(step.state == "running" and "replicas moved" in step.detail for step in status.steps)

        await until(moves, "replicas move", seconds=120)
        moving, commands = await _counted(proxy)
        assert "decommissioning" in memberships(driver).values(), "the move ended before it was counted"
        await run.cancel()
        trouble(driver, 0)
        with suppress(WorkflowFailureError):
            await asyncio.wait_for(run.result(), 120)
        kubeconfig.write_text(direct)
        await driver.restart(stack.ops)
    return {
        "scale-waiting-requests": requests,
        "scale-moving-requests": moving,
        "scale-moving-commands": commands,
    }


async def _counted(proxy: FaultyApi) -> tuple[float, float]:
    """Count for a while; return the requests and the commands of the database, each a minute."""
    before = len(proxy.asked)
    await asyncio.sleep(_SECONDS)
    asked = proxy.asked[before:]
    commands = [call for call in asked if "/exec?" in call]
    print("\n".join(f"  asked: {call[:160]}" for call in asked if call not in commands), flush=True)
    a_minute = 60 / _SECONDS
    return (len(asked) - len(commands)) * a_minute, len(commands) * a_minute


def _csr(ordinal: int) -> str:
    return f"{REF.namespace}.node.{pod(ordinal)}"
