"""A gateway in a namespace of its own, in which no other folder's tests list; each test uses clusters of its own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.worker import Worker

from domain.model import ClusterRef
from gateway.client import OperationsClient
from gateway.connect import connect
from gateway.settings import TemporalSettings
from gateway.setup import set_up
from operations.queues import ops_queue
from tests.gateway.workflows import ALL

_names = itertools.count()


@dataclass
class Server:
    """A Temporal server, and a gateway on it."""

    client: Client
    settings: TemporalSettings
    gateway: OperationsClient

    def worker(self, site: str) -> Worker:
        return Worker(self.client, task_queue=ops_queue(site), workflows=list(ALL))


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def server(temporal: TemporalSettings) -> Server:
    settings = temporal.model_copy(update={"namespace": f"{temporal.namespace}-gateway"})
    await set_up(settings, seconds=30)
    client = await connect(settings, identity="test")
    return Server(client, settings, OperationsClient(client, ui_url="http://ui.example"))


@pytest.fixture
def ref() -> ClusterRef:
    """A cluster that no other test speaks of, on a site of its own."""
    number = next(_names)
    return ClusterRef(site=f"site-{number}", namespace="crdb", cluster=f"crdb-{number}")
