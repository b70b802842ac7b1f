"""`python -m gateway.setup`: makes in Temporal what we need there, the namespace and our search attributes.

Run once an installation and again after every update: what is there stays, what is missing is made. The names are
`operations.queues`; the server itself is `docker-compose.yml` or, on one machine, `devtools/temporal.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final

from pydantic import ValidationError
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import InvalidRequestError, NotReadyError, OpsError, TransientError
from gateway.connect import connect
from gateway.ending import end
from gateway.logs import configure_logs
from gateway.settings import TemporalSettings
from operations.queues import SEARCH_ATTRIBUTES

_log = logging.getLogger(__name__)

#: Auditors read closed runs for more than a year; a namespace made without saying so keeps them for three days.
RETENTION: Final = timedelta(days=400)
#: A server that was just started takes some seconds, a busy one more, until it knows a new namespace.
PATIENCE: Final = 120.0
_PAUSE: Final = 0.2
_TYPES: Final = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}


async def set_up(settings: TemporalSettings, *, seconds: float = PATIENCE) -> None:
    """Make the namespace with its retention and our search attributes, waiting for the server to come up.

    Repeating it changes nothing: it makes only what is missing, and keeps a longer retention.

    Args:
        settings: Where Temporal is, and the namespace's name.
        seconds: How long to try.

    Raises:
        TransientError: `temporal.not-set-up`: it was not all there in time.
        InvalidRequestError: `temporal.attribute-type`: a search attribute of ours exists with another type.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            client = await connect(settings, identity=f"setup/{os.getpid()}", attempts=1)
            await _namespace(client, settings.namespace)
            await _search_attributes(client, settings.namespace)
            return
        except (RPCError, TransientError, NotReadyError) as error:
            if loop.time() > deadline:
                raise TransientError(
                    "temporal.not-set-up",
                    f"Temporal at {settings.address} was not set up within {seconds:.0f} s; the last answer: {error}",
                    hint="look at its log, then run this again: python -m gateway.setup",
                ) from error
            await asyncio.sleep(_PAUSE)


async def check_set_up(client: Client) -> None:
    """Check that the namespace and all our search attributes are there; workers do so at their start.

    Raises:
        InvalidRequestError: `temporal.not-set-up`, naming what is missing, or `temporal.attribute-type`.
    """
    try:
        missing = sorted(await _missing(client, client.namespace))
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        missing = ["the namespace itself"]
    if missing:
        raise InvalidRequestError(
            "temporal.not-set-up",
            f"Temporal's namespace {client.namespace}: found it without {', '.join(missing)}, expected all of it.",
            hint="python -m gateway.setup",
        )


async def _namespace(client: Client, name: str) -> None:
    service = client.workflow_service
    try:
        found = await service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        request = RegisterNamespaceRequest(namespace=name, description="crdb-chatops")
        request.workflow_execution_retention_period.FromTimedelta(RETENTION)
        await _unless_there(service.register_namespace(request))
        found = await service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        _log.info("namespace made", extra={"namespace": name, "retention_days": RETENTION.days})
    if found.config.workflow_execution_retention_ttl.ToTimedelta() < RETENTION:
        change = UpdateNamespaceRequest(namespace=name)
        change.config.workflow_execution_retention_ttl.FromTimedelta(RETENTION)
        await service.update_namespace(change)
        _log.info("retention raised", extra={"namespace": name, "retention_days": RETENTION.days})


async def _search_attributes(client: Client, namespace: str) -> None:
    missing = await _missing(client, namespace)
    if not missing:
        return
    request = AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
    await _unless_there(client.operator_service.add_search_attributes(request))
    _log.info("search attributes made", extra={"namespace": namespace, "names": sorted(missing)})
    left = await _missing(client, namespace)
    if left:
        raise NotReadyError(
            "temporal.not-set-up",
            f"The search attributes {', '.join(sorted(left))} are not there yet.",
            retry_after=timedelta(seconds=_PAUSE),
        )


async def _missing(client: Client, namespace: str) -> dict[str, IndexedValueType.ValueType]:
    listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
    found = dict(listed.custom_attributes)
    wrong = [
        f"{name} is {IndexedValueType.Name(found[name])}, expected {kind}"
        for name, kind in SEARCH_ATTRIBUTES.items()
        if name in found and found[name] != _TYPES[kind]
    ]
    if wrong:
        raise InvalidRequestError(
            "temporal.attribute-type",
            f"Search attributes of namespace {namespace} have another type: {'; '.join(wrong)}.",
            hint="a type cannot be changed: use a namespace of our own that is new, CRDBOPS_TEMPORAL_NAMESPACE=crdb-2; "
            "or, if an earlier release of ours made it: temporal operator search-attribute remove --name NAME",
        )
    return {name: _TYPES[kind] for name, kind in SEARCH_ATTRIBUTES.items() if name not in found}


async def _unless_there(call: Awaitable[object]) -> None:
    """Somebody else may make the same at the same time."""
    try:
        await call
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise


def main() -> int:
    """Set up Temporal; exit 2 when that cannot be right, 1 when it was not ready in time."""
    parser = argparse.ArgumentParser(
        prog="python -m gateway.setup", description="Make namespace and search attributes in Temporal."
    )
    parser.add_argument("--seconds", type=float, default=PATIENCE, help="how long to try (default: %(default)s)")
    arguments = parser.parse_args()
    configure_logs()
    try:
        settings = TemporalSettings()
        asyncio.run(set_up(settings, seconds=arguments.seconds))
    except ValidationError as error:
        for fault in error.errors():
            sys.stderr.write(f"CRDBOPS_TEMPORAL_{'_'.join(str(p) for p in fault['loc']).upper()}: {fault['msg']}\n")
        return 2
    except InvalidRequestError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (OpsError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _log.info("temporal is set up", extra={"address": settings.address, "namespace": settings.namespace})
    return 0


if __name__ == "__main__":
    end(main())
