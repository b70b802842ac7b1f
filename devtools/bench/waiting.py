"""What five hundred waiting approvals cost one worker: its memory, and how long all of them take to answer again.

The requests are asked for by the cluster's administrator, so that the watch takes them for strangers' and starts
nothing: their `Certify` runs are started here, past the limit of twenty a cluster, which is there to keep people from
so many cards. The worker is the production one.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from activities.clients.api import Api, path
from devtools.bench.clicks import request_object
from devtools.scenarios.driver import Driver
from devtools.stack import REF, SITE
from operations.certify import CertifyStart, CertifyStatus
from operations.messages import STATUS
from operations.queues import certify_id, ops_queue

COUNT = 500
_AT_ONCE = 20
_SIGNER = "crdbops.internal/node"
_KIND = "CertificateSigningRequest"

Handle = WorkflowHandle[object, object]


async def measure(driver: Driver, api: Api) -> dict[str, float]:
    """Let many requests wait; return the worker's memory and the seconds of its return after kill -9."""
    ops = driver.stack.ops
    before = resident_mib(ops.pid)
    handles = await _start(driver.client, api)
    try:
        await _all_answer(handles, state="pending", seconds=300)
        memory = resident_mib(ops.pid)
        ops.kill()
        begun = time.monotonic()
        ops.start()
        # All at once: a question waits two seconds for the dead worker before another gets it; so would each twenty.
        await _all_answer(handles, state="pending", seconds=120, at_once=COUNT)
        back = time.monotonic() - begun
        return {
            "waiting-0-mib": before,
            f"waiting-{COUNT}-mib": memory,
            f"waiting-{COUNT}-resumed-mib": resident_mib(ops.pid),
            f"waiting-{COUNT}-answer-s": back,
        }
    finally:
        for handle in handles:
            await handle.terminate("measured")
        for handle in handles:
            await api.call("DELETE", path(_KIND, name=handle.id.split("/")[-2]))


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


async def _start(client: Client, api: Api) -> list[Handle]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> Handle:
        async with slots:
            name = f"bench-waiting-{number}"
            made = await api.call("POST", path(_KIND), body=request_object(name, signer=_SIGNER))
            uid = made["metadata"]["uid"]
            handle: Handle = await client.start_workflow(
                "Certify",
                CertifyStart(ref=REF, csr=name, csr_uid=uid),
                id=certify_id(site=SITE, name=name, uid=uid),
                task_queue=ops_queue(SITE),
            )
            return handle

    return list(await asyncio.gather(*(one(number) for number in range(COUNT))))


async def _all_answer(handles: list[Handle], *, state: str, seconds: float, at_once: int = _AT_ONCE) -> None:
    """Ask every run how it stands until each has said the state."""
    slots = asyncio.Semaphore(at_once)
    deadline = time.monotonic() + seconds

    async def one(handle: Handle) -> None:
        while True:
            async with slots:
                try:
                    status = await handle.query(STATUS, result_type=CertifyStatus)
                    found = str(status.state)
                except RPCError as error:  # no worker yet
                    found = error.status.name
            if found == state:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{handle.id} is {found} after {seconds:.0f} s, expected {state}")
            await asyncio.sleep(0.1)

    await asyncio.gather(*(one(handle) for handle in handles))
