"""Nothing lost and nothing doubled: what must be there once after a deploy is counted where it is.

Messages by the metadata that the bot writes, certificates in Kubernetes and in the histories, `init` in the nodes'
logs. Secrets are looked for in `leaks`.
"""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

from cryptography import x509
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from devtools.page import Message, until
from devtools.scenarios.driver import NODES, Driver, origin_of
from devtools.scenarios.told import Told
from operations.certify import CertifyResult
from operations.queues import change_id

_INITIALIZED = "initialized new cluster"


async def check_counts(driver: Driver, told: Told, run: WorkflowHandle[Any, Any], *, csrs: tuple[str, ...]) -> int:
    """Check a deploy that went well, in which each of these requests was decided once; return the messages seen."""
    seen = await _check_messages(driver, told, run, csrs)
    await _check_runs(driver, told, run)
    _check_init(driver, told)
    for csr in csrs:
        await _check_issued_once(driver, csr)
    told.check(f"{len(csrs)} requests: one decision each, one certificate each, signed once", True)
    return seen


async def check_no_message_twice(driver: Driver, told: Told) -> list[Message]:
    """Check that no two messages show the same; return all that the bot posted."""
    posted = [m for m in await driver.page.messages("ada") if origin_of(m)]
    counts = Counter(tuple(sorted(origin_of(m).items())) for m in posted)
    twice = {origin: count for origin, count in counts.items() if count > 1}
    told.check(f"{len(posted)} messages, none of them twice", not twice, found=twice)
    return posted


async def _check_messages(driver: Driver, told: Told, run: WorkflowHandle[Any, Any], csrs: tuple[str, ...]) -> int:
    posted = await check_no_message_twice(driver, told)
    roots = [m for m in posted if origin_of(m).get("kind") == "operation"]
    told.check(
        "one root message", [origin_of(m)["run_id"] for m in roots] == [run.run_id], found=[m["text"] for m in roots]
    )
    cards = Counter(str(origin_of(m)["workflow_id"]).split("/")[3] for m in posted if origin_of(m)["kind"] == "card")
    told.check("one card a request", cards == Counter(csrs), found=cards)
    return len(posted)


async def _check_runs(driver: Driver, told: Told, run: WorkflowHandle[Any, Any]) -> None:
    async def listed() -> list[str] | None:
        # The list lags behind the histories.
        found = [r.run_id async for r in driver.client.list_workflows(f"WorkflowId = '{change_id(driver.ref)}'")]
        return found or None

    runs = await until(listed, "Temporal lists the run", seconds=20)
    told.check("one run of the deploy", runs == [run.run_id], found=runs)


def _check_init(driver: Driver, told: Told) -> None:
    begun = {pod: driver.kubectl("logs", pod, "-c", "cockroachdb").count(_INITIALIZED) for pod in NODES}
    told.check("one init, at the first node", begun == {NODES[0]: 1, NODES[1]: 0, NODES[2]: 0}, found=begun)


async def _check_issued_once(driver: Driver, csr: str) -> None:
    found = driver.csr(csr)
    uid = found["metadata"]["uid"]
    handle = driver.client.get_workflow_handle(f"crdb/{driver.ref.site}/csr/{csr}/{uid}", result_type=CertifyResult)
    result: CertifyResult = await handle.result()
    assert len(result.decisions) == 1, f"{csr}: found the decisions {result.decisions}, expected one"
    certificate = x509.load_pem_x509_certificate(base64.b64decode(found["status"]["certificate"]))
    serial = format(certificate.serial_number, "x")
    assert serial == result.serial, f"{csr}: found serial {serial} in Kubernetes, {result.serial} in its history"
    approved = [c for c in found["status"]["conditions"] if c["type"] == "Approved"]
    assert len(approved) == 1, f"{csr}: found the conditions {found['status']['conditions']}"
    signed = await _completed(handle, "sign")
    assert signed == 1, f"{csr}: the signer answered {signed} times that it signed"


async def _completed(handle: WorkflowHandle[Any, Any], activity: str) -> int:
    names: dict[int, str] = {}
    done = 0
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            scheduled = event.activity_task_completed_event_attributes.scheduled_event_id
            done += names[scheduled].rpartition(".")[2] == activity
    return done
