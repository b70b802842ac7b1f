"""Looks: short workflows that read and answer; and who last asked for work on a queue.

Starting them is `gateway.client`; what they read is an activity's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from domain.errors import TransientError
from operations.csr import CsrResult
from operations.queues import ops_queue
from operations.status import StatusResult

LookResult = StatusResult | CsrResult

#: What each look answers with.
RESULTS: dict[str, type[StatusResult] | type[CsrResult]] = {"status": StatusResult, "csr": CsrResult}

#: A look that nobody took up ends by itself after this.
LIFETIME = timedelta(seconds=20)


async def last_seen(client: Client, site: str) -> datetime | None:
    """Return when a worker of a site last asked for work; None when none did in the last minutes."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=ops_queue(site)),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    try:
        answer = await client.workflow_service.describe_task_queue(request, timeout=timedelta(seconds=2))
    except RPCError:
        return None
    seen = [poller.last_access_time.ToDatetime(tzinfo=UTC) for poller in answer.pollers]
    return max(seen, default=None)


async def silent_site(client: Client, site: str) -> TransientError:
    """Return the error that says: no worker of this site answers, and when one was last seen."""
    seen = await last_seen(client, site)
    when = f"last seen {seen:%H:%M:%S} UTC" if seen else "none seen lately"
    return TransientError(
        "site.silent",
        f"No worker of site {site} answers ({when}).",
        hint="Ask whoever runs the workers; what already runs goes on when they are back.",
        site=site,
    )
