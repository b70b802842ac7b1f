"""What runs, by the word of a real Temporal dev server: the lock's holder and open certificate workflows."""

from __future__ import annotations

import uuid

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from activities.clients.temporal import TemporalRunning
from activities.payloads import RunningChange
from gateway.connect import connect
from gateway.settings import TemporalSettings
from gateway.setup import set_up
from operations.queues import CLUSTER, certify_id, change_id
from tests.activities.world import REQUESTER, World
from tests.workflows.waiting import until_asked

REF = World().ref
KEY = SearchAttributeKey.for_keyword(CLUSTER)


@pytest.fixture
async def client(temporal: TemporalSettings) -> Client:
    settings = temporal.model_copy(update={"namespace": f"running-{uuid.uuid4().hex}"})
    await set_up(settings, seconds=30)
    return await connect(settings, identity="test")


async def start(client: Client, workflow: str, workflow_id: str, *, cluster: str, **memo: object) -> str:
    attributes = TypedSearchAttributes([SearchAttributePair(KEY, cluster)])
    handle = await client.start_workflow(
        workflow, id=workflow_id, task_queue="nobody", memo=memo, search_attributes=attributes
    )
    return handle.result_run_id or ""


async def test_the_holder_of_the_lock_is_named_until_it_ends(client: Client) -> None:
    running = TemporalRunning(client)
    before = await running.change(REF)
    memo = {"operation": "deploy", "requester": REQUESTER.model_dump(include={"team", "id", "name"})}
    run_id = await start(client, "Deploy", change_id(REF), cluster=str(REF), **memo)
    during = await running.change(REF)
    await client.get_workflow_handle(change_id(REF)).terminate()

    assert before == RunningChange()
    assert during == RunningChange(workflow_id=change_id(REF), run_id=run_id, operation="deploy", requester=REQUESTER)
    assert await running.change(REF) == RunningChange()


async def test_only_open_certificate_workflows_of_the_cluster_are_listed(client: Client) -> None:
    running = TemporalRunning(client)
    wanted = certify_id(site="here", name="crdb.node.cockroachdb-0", uid="1")
    closed = certify_id(site="here", name="crdb.node.cockroachdb-1", uid="2")
    await start(client, "Certify", wanted, cluster=str(REF))
    await start(client, "Certify", closed, cluster=str(REF))
    await start(client, "Certify", certify_id(site="here", name="x", uid="3"), cluster="here/otherdb/other")
    await start(client, "Look", "a look", cluster=str(REF))
    await client.get_workflow_handle(closed).terminate()

    async def is_listed_alone() -> bool:
        return [run.workflow_id for run in (await running.certifies(REF)).runs] == [wanted]

    await until_asked(is_listed_alone)  # Temporal lists what has happened a moment ago
