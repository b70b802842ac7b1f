"""Database nodes in memory: NodePort with the states that `init` depends on."""

from __future__ import annotations

from typing import Literal

from domain.errors import OpsError, TransientError
from domain.model import ClusterRef, NodeRef
from domain.nodes import NodeAnswer


class FakeNodes:
    """NodePort in memory. A node is "waiting", "serving", or silent (any other text, which becomes the detail)."""

    def __init__(self, count: int = 3) -> None:
        self.states = ["waiting"] * count
        self.cluster_ids = [""] * count
        self.inits: list[int] = []
        self.asked: list[tuple[str, int]] = []
        self.refusal: OpsError | None = None
        self.is_answer_lost = False

    def serve(self, cluster_id: str = "0f6d") -> None:
        """Let all nodes serve one cluster."""
        self.states = ["serving"] * len(self.states)
        self.cluster_ids = [cluster_id] * len(self.states)

    async def ask(self, ref: ClusterRef, node: NodeRef, *, domain: str) -> NodeAnswer:
        self._record("ask", node)
        state = self.states[node.ordinal]
        if state == "waiting":
            return NodeAnswer(ordinal=node.ordinal, state="waiting-for-init")
        if state == "serving":
            return NodeAnswer(ordinal=node.ordinal, state="serving", cluster_id=self.cluster_ids[node.ordinal])
        return NodeAnswer(ordinal=node.ordinal, state="unreachable", detail=state)

    async def rows(self, ref: ClusterRef, node: NodeRef, *, domain: str) -> tuple[dict[str, str], ...]:
        self._record("rows", node)
        self._must_serve(node)
        return tuple(
            {
                "id": str(number + 1),
                "address": f"cockroachdb-{number}.cockroachdb.{ref.namespace}.svc.{domain}:26257",
                "build": "v25.2.3",
                "is_live": "true" if state == "serving" else "false",
            }
            for number, state in enumerate(self.states)
        )

    async def initialize(self, ref: ClusterRef, node: NodeRef, *, domain: str) -> Literal["initialized", "already"]:
        self._record("init", node)
        if self.states[node.ordinal] == "serving":
            return "already"
        if "serving" in self.states:
            raise AssertionError("init reached a node while another one serves: a second cluster")
        self.inits.append(node.ordinal)
        self.serve()
        if self.is_answer_lost:
            raise TransientError("kubernetes.unreachable", "the connection broke off before its end")
        return "initialized"

    async def query(self, ref: ClusterRef, node: NodeRef, *, domain: str, statement: str) -> tuple[dict[str, str], ...]:
        self._record("query", node)
        self._must_serve(node)
        answers = {
            "SELECT 1": "1",
            "SELECT crdb_internal.cluster_id()": self.cluster_ids[node.ordinal],
            "SHOW CLUSTER SETTING version": "25.2",
        }
        return ({"value": answers[statement]},)

    def _record(self, what: str, node: NodeRef) -> None:
        self.asked.append((what, node.ordinal))
        if self.refusal:
            raise self.refusal

    def _must_serve(self, node: NodeRef) -> None:
        if self.states[node.ordinal] != "serving":
            raise TransientError("nodes.no-answer", f"{node.pod}: node waiting for init")
