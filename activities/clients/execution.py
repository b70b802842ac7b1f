"""Running a program in a pod by exec: a websocket of the API server, bounded, with exit code and both outputs.

What the program's words mean is `roach`'s business.
"""

from __future__ import annotations

import asyncio
import json
from typing import NamedTuple

import aiohttp

from activities.clients.api import Api, path
from activities.clients.errors import network, of_answer
from domain.errors import BrokenError, TransientError

_STDOUT, _STDERR, _STATUS = 1, 2, 3
#: Output beyond this is cut: nothing that we run says so much.
_LARGEST = 1024 * 1024


class Ran(NamedTuple):
    """How a program ended."""

    exit_code: int
    stdout: str
    stderr: str


class KubeExec:
    """Exec in one container of a pod."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def run(self, namespace: str, pod: str, *, container: str, command: list[str], seconds: float) -> Ran:
        """Run a command to its end.

        Args:
            namespace: The pod's namespace.
            pod: The pod's name.
            container: The container's name.
            command: Program and arguments; no shell.
            seconds: After this long the connection is given up. The command has a deadline of its own (`timeout`),
                since a lost connection does not end it.

        Raises:
            BrokenError: `kubernetes.not-found`: no such pod or container.
            TransientError: The connection failed, or the container does not run.
        """
        what = f"exec in {namespace}/{pod}"
        query = [("container", container), ("stdout", "true"), ("stderr", "true")]
        query += [("command", part) for part in command]
        outputs: dict[int, bytearray] = {_STDOUT: bytearray(), _STDERR: bytearray(), _STATUS: bytearray()}
        with network(what):
            try:
                async with asyncio.timeout(seconds):
                    where = path("Pod", namespace=namespace, name=pod, subresource="exec")
                    async with await self._api.socket(where, query=query) as socket:
                        async for message in socket:
                            if message.type == aiohttp.WSMsgType.BINARY and message.data:
                                output = outputs.get(message.data[0])
                                if output is not None and len(output) < _LARGEST:
                                    output += message.data[1:]
            except aiohttp.WSServerHandshakeError as error:
                raise of_answer(error.status, body=error.message, retry_after=None, what=what) from None
        code = exit_code(bytes(outputs[_STATUS]), what=what)
        return Ran(
            exit_code=code,
            stdout=outputs[_STDOUT].decode(errors="replace"),
            stderr=outputs[_STDERR].decode(errors="replace"),
        )


def exit_code(status: bytes, *, what: str) -> int:
    """Read the program's exit code from the status that the kubelet sends last.

    Raises:
        TransientError: None was sent: the connection broke off.
        BrokenError: `kubernetes.exec`: the program could not be started.
    """
    if not status:
        raise TransientError("kubernetes.unreachable", f"Cannot {what}: the connection broke off before its end")
    answer = json.loads(status)
    if answer.get("status") == "Success":
        return 0
    for cause in answer.get("details", {}).get("causes", ()):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise BrokenError("kubernetes.exec", f"Cannot {what}: {answer.get('message', 'no words')}")
