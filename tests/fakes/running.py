"""What runs on Temporal, in memory: RunningPort."""

from __future__ import annotations

from activities.payloads import OpenCertifies, OpenCertify, RunningChange
from domain.model import ClusterRef


class FakeRunning:
    """RunningPort in memory."""

    def __init__(self) -> None:
        self.changes: dict[str, RunningChange] = {}
        self.open: dict[str, tuple[OpenCertify, ...]] = {}
        self.asked: list[str] = []

    async def change(self, ref: ClusterRef) -> RunningChange:
        self.asked.append(str(ref))
        return self.changes.get(str(ref), RunningChange())

    async def certifies(self, ref: ClusterRef) -> OpenCertifies:
        self.asked.append(str(ref))
        return OpenCertifies(runs=self.open.get(str(ref), ()))
