"""Our own client against real processes: what plays exec in the client pod."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from activities.clients.execution import Ran
from tests.cockroach.nodes import Node, roach


class Shell:
    """Plays exec: the same command, with this machine's program, certificates and ports."""

    def __init__(self, nodes: Sequence[Node], client: Path) -> None:
        self._nodes, self._client = nodes, client

    async def run(self, namespace: str, pod: str, *, container: str, command: list[str], seconds: float) -> Ran:
        host = next(word for word in command if word.startswith("--host="))
        found = re.match(r"--host=cockroachdb-(\d+)\.", host)
        assert found is not None
        own = [word for word in command[5:] if not word.startswith(("--host=", "--certs-dir="))]
        own += [f"--certs-dir={self._client}", f"--host={self._nodes[int(found[1])].address}"]
        answer = await asyncio.to_thread(roach, *own, seconds=60)
        return Ran(answer.code, answer.out, answer.err)
