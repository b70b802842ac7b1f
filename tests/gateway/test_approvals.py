"""What waits for people, read from a real Temporal: by cluster and by run, open and closed, without any worker."""

from __future__ import annotations

import itertools

import pytest
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from domain.model import ClusterRef
from operations.certify import CertifyStart
from operations.queues import CLUSTER, certify_id, ops_queue
from tests.bot.harness import eventually
from tests.gateway.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="package")

_uids = itertools.count(1)


async def certify(server: Server, ref: ClusterRef) -> WorkflowHandle[object, int]:
    uid = f"review{next(_uids)}"
    pair = SearchAttributePair(SearchAttributeKey.for_keyword(CLUSTER), str(ref))
    handle: WorkflowHandle[object, int] = await server.client.start_workflow(
        "Certify",
        CertifyStart(ref=ref, csr="c", csr_uid=uid),
        id=certify_id(site=ref.site, name="c", uid=uid),
        task_queue=ops_queue(ref.site),
        search_attributes=TypedSearchAttributes([pair]),
    )
    return handle


async def listed(server: Server, ref: ClusterRef, count: int) -> list[str]:
    async def look() -> list[str] | None:
        found = [target.run_id for target in await server.gateway.requests_of(ref)]
        return found if len(found) == count else None

    found: list[str] = await eventually(look)
    return found


async def test_the_open_requests_of_a_cluster_are_its_own_alone(server: Server, ref: ClusterRef) -> None:
    handles = [await certify(server, ref) for _ in range(3)]
    other = ClusterRef(site=ref.site, namespace=ref.namespace, cluster="other")
    await certify(server, other)
    async with server.worker(ref.site):
        for handle in handles:
            await handle.query("status")

        await listed(server, ref, 3)
        await handles[0].signal("end")
        await handles[0].result()
        found = await listed(server, ref, 2)

    assert set(found) == {handle.first_execution_run_id for handle in handles[1:]}


async def test_runs_are_found_by_their_ids_open_or_closed(server: Server, ref: ClusterRef) -> None:
    handles = [await certify(server, ref) for _ in range(2)]
    async with server.worker(ref.site):
        await handles[0].query("status")
        await handles[1].signal("end")
        await handles[1].result()
        await listed(server, ref, 1)
    ids = [handle.first_execution_run_id or "" for handle in handles]

    found = {target.run_id: target for target in await server.gateway.runs([*ids, "none", "' OR 1=1", ""])}

    assert [found[run_id].is_open for run_id in ids] == [True, False]
    assert found[ids[0]].approval_id == handles[0].id.rsplit("/", 1)[1]
    assert found[ids[0]].fingerprint == "f" * 64
    assert len(found) == 2


async def test_no_run_is_asked_for_when_none_is_named(server: Server) -> None:
    assert await server.gateway.runs([]) == ()
