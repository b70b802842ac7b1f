"""A deploy of three nodes with instant approvals, against the same steps as a straight kubectl and openssl script.

Both use the same manifests, images and cluster, one after the other.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from activities.manifests import accounts, client_pod, services, statefulset
from devtools.page import actions_of
from devtools.scenarios.driver import CSRS, Driver, history_events
from devtools.stack import REF, Stack
from domain.certificate import SigningPolicy
from domain.configuration import parse_configuration
from domain.model import CLIENT_ACCOUNT, NODE_ACCOUNT, ClusterRef

_HERE = Path(__file__).parent
_NAMESPACE = "byhand"


async def by_hand(stack: Stack) -> float:
    """Run the script in a namespace of its own, which stays; return its seconds."""
    kubectl = stack.cluster.kubectl
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": _NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    kubectl("apply", "-f", "-", given=json.dumps(namespace))
    manifests = stack.folder / "by-hand.json"
    manifests.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": _objects(stack)}))
    return await script(stack, "by_hand.sh", str(manifests), str(stack.folder / "by-hand"), "3")


async def script(stack: Stack, name: str, *arguments: str) -> float:
    """Run a script beside this file on the namespace of what is done by hand; return its seconds."""
    environment = os.environ | {
        "KUBECTL": str(stack.cluster.kubectl_path),
        "KUBECONFIG": str(stack.cluster.kubeconfig),
    }
    begun = time.monotonic()
    await asyncio.to_thread(
        subprocess.run,
        ["bash", str(_HERE / name), _NAMESPACE, *arguments],
        env=environment,
        check=True,
        timeout=300,
    )
    return time.monotonic() - begun


def remove(stack: Stack) -> None:
    """Remove what was deployed by hand."""
    kubectl = stack.cluster.kubectl
    kubectl("delete", "namespace", _NAMESPACE, "--wait=true", "--timeout=120s")
    kubectl("delete", "clusterrolebinding", f"{_NAMESPACE}.{REF.cluster}.certagent", "--ignore-not-found")


def _objects(stack: Stack) -> list[dict[str, Any]]:
    configuration = parse_configuration((stack.folder / "crdbops.toml").read_text())
    spec = configuration.spec(REF, nodes=None, version=None, storage=None)
    ref = ClusterRef(site=REF.site, namespace=_NAMESPACE, cluster=REF.cluster)
    policy = SigningPolicy.of(configuration, REF).model_copy(update={"ref": ref})
    made = {"operation_id": "by-hand"}
    return [
        *(accounts.service_account(ref, name, **made) for name in (NODE_ACCOUNT, CLIENT_ACCOUNT)),
        accounts.client_secret(ref, **made),
        accounts.client_role(ref, **made),
        accounts.client_role_binding(ref, **made),
        accounts.certagent_binding(ref, **made),
        services.public_service(ref, **made),
        services.headless_service(ref, **made),
        services.budget(ref, **made),
        client_pod.client_pod(ref, spec, policy, **made),
        statefulset.stateful_set(ref, spec, policy, **made),
    ]


async def by_us(driver: Driver) -> tuple[float, int, int]:
    """Deploy through chat, each card approved as soon as it is there; return seconds, events and activities."""
    begun = time.monotonic()
    run = await driver.type_change("erin", "/crdb deploy")
    approving = [asyncio.create_task(approve(driver, csr)) for csr in CSRS]
    await run.result()
    seconds = time.monotonic() - begun
    await asyncio.gather(*approving)
    events = (await run.fetch_history()).events
    activities = sum(event.HasField("activity_task_scheduled_event_attributes") for event in events)
    return seconds, await history_events(run), activities


async def approve(driver: Driver, csr: str) -> None:
    """Approve a card as soon as it is there."""
    card = await driver.card(csr, action="approve", seconds=120)
    assert "approve" in actions_of(card)
    await driver.page.click("ada", card, "approve")
