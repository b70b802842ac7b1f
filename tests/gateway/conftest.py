"""One Temporal dev server for all tests of the gateway; each test uses clusters of its own."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from domain.model import ClusterRef
from gateway.client import OperationsClient
from gateway.connect import DATA_CONVERTER
from operations.queues import SEARCH_ATTRIBUTES, ops_queue
from tests.gateway.workflows import ALL

_names = itertools.count()


@dataclass
class Server:
    """A Temporal server, and a gateway on it."""

    client: Client
    address: str
    gateway: OperationsClient

    def worker(self, site: str) -> Worker:
        return Worker(self.client, task_queue=ops_queue(site), workflows=list(ALL))


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def server(temporal_binary: str) -> AsyncIterator[Server]:
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary,
        data_converter=DATA_CONVERTER,
        search_attributes=[
            SearchAttributeKey.for_keyword_list(name) if kind == "KeywordList" else SearchAttributeKey.for_keyword(name)
            for name, kind in SEARCH_ATTRIBUTES.items()
        ],
    )
    async with env:
        address = env.client.service_client.config.target_host
        yield Server(env.client, address, OperationsClient(env.client, ui_url="http://ui.example"))


@pytest.fixture
def ref() -> ClusterRef:
    """A cluster that no other test speaks of, on a site of its own."""
    number = next(_names)
    return ClusterRef(site=f"site-{number}", namespace="crdb", cluster=f"crdb-{number}")
