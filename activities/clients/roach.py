"""NodePort: the database's own CLI, run in the client pod against one named node, under a deadline.

The only place that knows its words. They are documented interface strings (`node waiting for init`, `cluster has
already been initialized`); rows are read by column name, never by position. Not here: when to ask and what follows
(`activities.nodes`, `activities.sql`).
"""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Literal, Protocol

from activities.clients.execution import Ran
from activities.manifests.client_pod import CLIENT_CONTAINER
from activities.manifests.pod import CERTS_DIR, COCKROACH
from activities.manifests.services import GRPC_PORT
from activities.ports import Decommissioning
from domain.errors import BrokenError, NotReadyError, OpsError, TransientError
from domain.model import CLIENT_POD, ClusterRef, NodeRef
from domain.nodes import NodeAnswer

#: A node that serves answers in less than a second; `init` tries for as long as its target is not up.
_ASK_SECONDS, _INIT_SECONDS = 10, 80
#: A round of `node decommission` counts replicas, and may drain at its end; `node drain` ends by itself before this.
_DECOMMISSION_SECONDS, _DRAIN_SECONDS = 45, 60
#: `timeout -k 5` kills five seconds after its term; the connection is given up a little later than that.
_KILL_AFTER = 5
#: How `timeout` ends when time is up: by itself, or by its kill.
_TIMED_OUT = {124, 137}
_NO_POD_PAUSE = timedelta(seconds=2)
_WAITING = "waiting for init"
_ALREADY = "already been initialized"
_CLUSTER_ID = "SELECT crdb_internal.cluster_id()"
#: Of `node decommission`, `node recommission` and `node drain`.
_BLOCKED = re.compile(r"blocking decommission|replicas blocked|Cannot decommission")
_BLOCKED_LINE = re.compile(r"^n\d+ has .*$", re.MULTILINE)
_UNKNOWN, _DECOMMISSIONED, _DRAIN_TIMEOUT = "does not exist", "found to be decommissioned", "drain timeout"


class Exec(Protocol):
    """What runs a program in a pod: `execution.KubeExec`."""

    async def run(self, namespace: str, pod: str, *, container: str, command: list[str], seconds: float) -> Ran:
        """Run a command to its end."""
        ...


class RoachNodes:
    """The database through its CLI."""

    def __init__(self, execution: Exec) -> None:
        self._exec = execution

    async def ask(self, ref: ClusterRef, node: NodeRef, *, domain: str) -> NodeAnswer:
        """Ask a node how it stands; whatever it answers or does not is an answer."""
        try:
            ran = await self._run(ref, node, domain, ["node", "status", "--all", "--format=csv"], _ASK_SECONDS)
            if ran.exit_code == 0:
                answer = await self.query(ref, node, domain=domain, statement=_CLUSTER_ID)
                return NodeAnswer(ordinal=node.ordinal, state="serving", cluster_id=only_value(answer))
        except TransientError as error:
            return NodeAnswer(ordinal=node.ordinal, state="unreachable", detail=error.message)
        if _WAITING in ran.stderr:
            return NodeAnswer(ordinal=node.ordinal, state="waiting-for-init")
        return NodeAnswer(ordinal=node.ordinal, state="unreachable", detail=_said(ran, _ASK_SECONDS))

    async def rows(self, ref: ClusterRef, node: NodeRef, *, domain: str) -> tuple[dict[str, str], ...]:
        """Return the rows of `node status --all`, by column name."""
        arguments = ["node", "status", "--all", "--format=csv"]
        return _rows(_good(await self._run(ref, node, domain, arguments, _ASK_SECONDS), "node status", node))

    async def initialize(self, ref: ClusterRef, node: NodeRef, *, domain: str) -> Literal["initialized", "already"]:
        """Send `init` to a node."""
        ran = await self._run(ref, node, domain, ["init"], _INIT_SECONDS)
        if ran.exit_code == 0:
            return "initialized"
        if _ALREADY in ran.stderr:
            return "already"
        raise TransientError("init.failed", f"init on {node.pod} failed: {_said(ran, _INIT_SECONDS)}")

    async def query(self, ref: ClusterRef, node: NodeRef, *, domain: str, statement: str) -> tuple[dict[str, str], ...]:
        """Run one SQL statement as root and return its rows."""
        arguments = ["sql", "--format=csv", "-e", statement]
        return _rows(_good(await self._run(ref, node, domain, arguments, _ASK_SECONDS), "sql", node))

    async def decommission(
        self,
        ref: ClusterRef,
        node: NodeRef,
        *,
        domain: str,
        ids: tuple[int, ...],
        checks: Literal["", "enabled", "skip"],
        is_trial: bool = False,
    ) -> Decommissioning:
        """Begin to decommission all of these nodes, or go on, in one command that does not wait."""
        arguments = ["node", "decommission", *map(str, ids), "--wait=none", "--format=csv"]
        arguments += [f"--checks={checks}"] if checks else []
        arguments += ["--dry-run"] if is_trial else []
        ran = await self._run(ref, node, domain, arguments, _DECOMMISSION_SECONDS)
        told = f"{ran.stdout}\n{ran.stderr}"
        if _BLOCKED.search(told):
            lines = tuple(_BLOCKED_LINE.findall(told)[:5])
            return Decommissioning(blocked=lines or (_said(ran, _DECOMMISSION_SECONDS),))
        if ran.exit_code != 0:
            raise _failed(ran, "node decommission", node, _DECOMMISSION_SECONDS)
        return Decommissioning(rows=_last_table(ran.stdout))

    async def recommission(self, ref: ClusterRef, node: NodeRef, *, domain: str, member: int) -> bool:
        """Take a node back that is decommissioning; False when it is decommissioned for good already."""
        ran = await self._run(ref, node, domain, ["node", "recommission", str(member), "--format=csv"], _ASK_SECONDS)
        if ran.exit_code != 0 and _DECOMMISSIONED in ran.stderr:
            return False
        if ran.exit_code != 0:
            raise _failed(ran, "node recommission", node, _ASK_SECONDS)
        return True

    async def drain(self, ref: ClusterRef, node: NodeRef, *, domain: str, member: int) -> bool:
        """Drain a node of its clients and leases; False when it needs more time."""
        arguments = ["node", "drain", str(member), f"--drain-wait={_DRAIN_SECONDS - 15}s"]
        ran = await self._run(ref, node, domain, arguments, _DRAIN_SECONDS)
        if ran.exit_code in _TIMED_OUT or (ran.exit_code != 0 and _DRAIN_TIMEOUT in ran.stderr):
            return False
        if ran.exit_code != 0:
            raise _failed(ran, "node drain", node, _DRAIN_SECONDS)
        return True

    async def _run(self, ref: ClusterRef, node: NodeRef, domain: str, arguments: list[str], seconds: int) -> Ran:
        host = f"{node.address(namespace=ref.namespace, domain=domain)}:{GRPC_PORT}"
        command = ["timeout", "-k", str(_KILL_AFTER), str(seconds), COCKROACH, *arguments]
        command += [f"--certs-dir={CERTS_DIR}", f"--host={host}"]
        try:
            return await self._exec.run(
                ref.namespace,
                CLIENT_POD,
                container=CLIENT_CONTAINER,
                command=command,
                seconds=seconds + _KILL_AFTER + 5,
            )
        except OpsError as error:
            if error.code in ("kubernetes.not-found", "kubernetes.invalid", "kubernetes.unavailable"):
                raise NotReadyError(
                    "nodes.no-client-pod",
                    f"{ref.namespace}/{CLIENT_POD}: found no running client pod, expected one to ask the nodes from.",
                    retry_after=_NO_POD_PAUSE,
                    hint="It waits for root's certificate, or was deleted: /crdb deploy makes it again.",
                ) from error
            raise


def only_value(rows: tuple[dict[str, str], ...]) -> str:
    """Return the one value of an answer of one row and one column; "" when it is another."""
    values = [value for row in rows for value in row.values()]
    return values[0] if len(values) == 1 else ""


def _said(ran: Ran, seconds: int) -> str:
    if ran.exit_code in _TIMED_OUT:
        return f"no answer within {seconds} s"
    lines = [line for line in ran.stderr.splitlines() if line.strip() and not line.startswith("Failed running")]
    return " ".join(lines)[:300] or f"exit code {ran.exit_code} without a word"


def _good(ran: Ran, what: str, node: NodeRef) -> str:
    if ran.exit_code == 0:
        return ran.stdout
    raise TransientError("nodes.no-answer", f"{what} on {node.pod}: {_said(ran, _ASK_SECONDS)}")


def _failed(ran: Ran, what: str, node: NodeRef, seconds: int) -> OpsError:
    said = f"{what} through {node.pod}: {_said(ran, seconds)}"
    if _UNKNOWN in ran.stderr:
        return BrokenError("nodes.unknown", said, hint="Look at /crdb status: the nodes are not what they were.")
    return TransientError("nodes.no-answer", said)


def _last_table(text: str) -> tuple[dict[str, str], ...]:
    """Return the last table of an output in which sentences may follow it."""
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("id,")]
    if not heads:
        return ()
    body = lines[heads[-1] + 1 :]
    count = next((number for number, line in enumerate(body) if not line[:1].isdecimal()), len(body))
    return _rows("\n".join(lines[heads[-1] : heads[-1] + 1 + count]))


def _rows(text: str) -> tuple[dict[str, str], ...]:
    rows = csv.DictReader(io.StringIO(text))
    return tuple({name: "" if value in (None, "NULL") else str(value) for name, value in row.items()} for row in rows)
