"""The worker process of the crash matrix: one site with both roles and the watch, ending itself where it is told to.

So that a killed attempt is noticed in a second and not in half a minute, it shortens the time-outs of all activities
before any workflow runs, by changing the terms of `workflows.retries`, and the time after which a dead worker's
workflows are taken over; nothing else differs from production's.
The module is imported once, by the fork server, so that a process stands in a moment (`tests/forks.py`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import worker
import workflows.retries
from events.csr import CsrEvents
from gateway.connect import connect
from gateway.settings import TemporalSettings
from operations.queues import ops_queue, signer_queue
from tests.workflows.acting import ops_activities, signer_activities
from tests.workflows.world import World, configuration
from tokens.keyring import KeyRing
from worker import build_worker, workflow_classes

_SHORT = timedelta(seconds=1.5)


def serve(temporal: TemporalSettings, site: str, file: Path, ring: str, kills: tuple[str, ...]) -> None:
    """Run until killed."""
    logging.disable(logging.CRITICAL)
    for terms in vars(workflows.retries).values():
        if isinstance(terms, dict) and "start_to_close_timeout" in terms:
            terms["heartbeat_timeout" if "heartbeat_timeout" in terms else "start_to_close_timeout"] = _SHORT
    worker._STICKY = timedelta(seconds=0.5)
    asyncio.run(_serve(temporal, site, file, KeyRing.parse(ring), kills))


async def _serve(temporal: TemporalSettings, site: str, file: Path, ring: KeyRing, kills: tuple[str, ...]) -> None:
    client = await connect(temporal, identity=f"worker-{site}")
    world = World(configuration(site), client=client, file=file, kills=kills)
    ops = build_worker(
        client, queue=ops_queue(site), ring=ring, classes=workflow_classes(), activities=ops_activities(world, ring)
    )
    signer = build_worker(client, queue=signer_queue(site), ring=ring, activities=signer_activities(world, ring))
    async with ops, signer:
        await CsrEvents(client, world, world.configuration, site=site).run()
