"""Setting up Temporal on a real server: made once, kept afterwards, wrong things named."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    RegisterNamespaceRequest,
)

from domain.errors import InvalidRequestError, TransientError
from gateway.connect import connect
from gateway.settings import TemporalSettings
from gateway.setup import RETENTION, check_set_up, set_up
from operations.queues import SEARCH_ATTRIBUTES
from tests.gateway.conftest import Server

pytestmark = [pytest.mark.processes, pytest.mark.asyncio(loop_scope="package")]


async def _register(server: Server, name: str, *, days: int) -> None:
    request = RegisterNamespaceRequest(namespace=name)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=days))
    await server.client.workflow_service.register_namespace(request)


async def _describe(server: Server, name: str) -> DescribeNamespaceResponse:
    return await server.client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))


async def _retention(server: Server, name: str) -> timedelta:
    found = await _describe(server, name)
    return found.config.workflow_execution_retention_ttl.ToTimedelta()


async def _attributes(server: Server, name: str) -> dict[str, str]:
    request = ListSearchAttributesRequest(namespace=name)
    found = await server.client.operator_service.list_search_attributes(request)
    kinds = {
        IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD: "Keyword",
        IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST: "KeywordList",
    }
    return {name: kinds.get(kind, "other") for name, kind in found.custom_attributes.items()}


async def test_it_makes_namespace_retention_and_search_attributes_and_repeating_changes_nothing(server: Server) -> None:
    settings = TemporalSettings(address=server.settings.address, namespace="fresh")

    await set_up(settings, seconds=30)
    first = await _describe(server, "fresh")
    await set_up(settings, seconds=30)

    assert await _retention(server, "fresh") == RETENTION == timedelta(days=400)
    assert SEARCH_ATTRIBUTES.items() <= (await _attributes(server, "fresh")).items()
    assert await _describe(server, "fresh") == first


async def test_a_short_retention_is_raised_and_a_longer_one_kept(server: Server) -> None:
    await _register(server, "short", days=3)
    await _register(server, "long", days=1000)

    await set_up(TemporalSettings(address=server.settings.address, namespace="short"), seconds=30)
    await set_up(TemporalSettings(address=server.settings.address, namespace="long"), seconds=30)

    assert await _retention(server, "short") == RETENTION
    assert await _retention(server, "long") == timedelta(days=1000)


async def test_an_attribute_of_another_type_is_named_at_once(server: Server) -> None:
    await _register(server, "wrong", days=3)
    attributes = {"CrdbState": IndexedValueType.INDEXED_VALUE_TYPE_INT}
    request = AddSearchAttributesRequest(namespace="wrong", search_attributes=attributes)
    await server.client.operator_service.add_search_attributes(request)

    with pytest.raises(InvalidRequestError, match="CrdbState is INDEXED_VALUE_TYPE_INT, expected Keyword") as caught:
        await set_up(TemporalSettings(address=server.settings.address, namespace="wrong"), seconds=30)
    assert caught.value.code == "temporal.attribute-type"


async def test_an_attribute_of_an_earlier_release_is_named_with_what_helps(server: Server) -> None:
    await _register(server, "earlier", days=3)
    attributes = {"CrdbApproval": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
    request = AddSearchAttributesRequest(namespace="earlier", search_attributes=attributes)
    await server.client.operator_service.add_search_attributes(request)
    settings = TemporalSettings(address=server.settings.address, namespace="earlier")

    with pytest.raises(
        InvalidRequestError, match="CrdbApproval is INDEXED_VALUE_TYPE_KEYWORD, expected KeywordList"
    ) as caught:
        await set_up(settings, seconds=30)

    assert caught.value.code == "temporal.attribute-type"
    assert "temporal operator search-attribute remove --name NAME" in str(caught.value)
    await server.client.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace="earlier", search_attributes=["CrdbApproval"])
    )
    await set_up(settings, seconds=30)
    assert (await _attributes(server, "earlier"))["CrdbApproval"] == "KeywordList"


async def test_it_gives_up_in_time_and_names_the_address() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"

        with pytest.raises(TransientError, match=address) as caught:
            await set_up(TemporalSettings(address=address), seconds=0.5)

    assert caught.value.code == "temporal.not-set-up"


async def test_the_command_sets_up_and_says_so(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.setup", "--seconds", "30"],
        env={
            "CRDBOPS_TEMPORAL_ADDRESS": server.settings.address,
            "CRDBOPS_TEMPORAL_NAMESPACE": "told",
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        timeout=50,
    )

    assert done.returncode == 0, done.stderr
    assert "temporal is set up" in done.stderr
    assert SEARCH_ATTRIBUTES.items() <= (await _attributes(server, "told")).items()


async def test_a_worker_is_told_what_setup_has_not_made(server: Server) -> None:
    await _register(server, "bare-for-check", days=1)

    async def told(namespace: str) -> str:
        settings = TemporalSettings(address=server.settings.address, namespace=namespace)
        with pytest.raises(InvalidRequestError, match="found it without") as refused:
            await check_set_up(await connect(settings, identity="check"))
        assert refused.value.code == "temporal.not-set-up"
        return refused.value.message

    assert "CrdbApproval" in await told("bare-for-check")
    assert "the namespace itself" in await told("nowhere-at-all")


async def test_a_namespace_that_setup_made_passes_the_workers_check(server: Server) -> None:
    settings = TemporalSettings(address=server.settings.address, namespace="made-for-check")
    await set_up(settings, seconds=30)

    await check_set_up(await connect(settings, identity="check"))
