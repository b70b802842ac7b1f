"""Database nodes in memory: NodePort with the states that `init` depends on, and the membership of a cluster."""

from __future__ import annotations

import re
from typing import Literal

from activities.ports import Decommissioning
from domain.errors import BrokenError, OpsError, TransientError
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
        #: Rows of `node status --all` by id, where a test cares for the membership.
        self.members: dict[int, dict[str, str]] = {}
        self.commands: list[str] = []
        self.blocked: tuple[str, ...] = ()
        self.zones: tuple[dict[str, str], ...] = ({"target": "RANGE default", "raw_config_sql": "num_replicas = 3"},)
        self.knows_all_zones = True
        #: The active version, and the one that a downgrade is preserved to.
        self.active = "25.2"
        self.preserved = ""
        #: Settings of a drain, by what follows server.shutdown; one that is not here is unknown to the release.
        self.drains: dict[str, str] = {}
        self.drains_left = 0
        #: Seconds since 1970 as each node prints them; what a release does not say is another text.
        self.expirations = ["1.8253728e+09"] * count
        #: Ranges by node; of a node that is not here the database does not tell.
        self.held: dict[int, tuple[int, ...]] = {}
        #: Replicas that move at every round of the command.
        self.moves = 0

    def join(self, member: int, ordinal: int, **columns: str) -> None:
        """Add a member to a cluster that serves."""
        self.members[member] = {
            "id": str(member),
            "address": f"cockroachdb-{ordinal}.cockroachdb.crdb.svc.cluster.local:26257",
            "build": "v25.2.3",
            "is_live": "true",
            "membership": "active",
            "is_draining": "false",
            "gossiped_replicas": "9",
            "ranges_underreplicated": "0",
            "ranges_unavailable": "0",
            **columns,
        }

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
        if self.members:
            return tuple(dict(row) for row in self.members.values())
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
            "SHOW CLUSTER SETTING version": self._settled(),
            "SHOW CLUSTER SETTING cluster.preserve_downgrade_option": self.preserved,
        }
        if statement.startswith(("SET ", "RESET ")):
            self._preserve(statement)
            return ()
        if statement.startswith("SHOW CLUSTER SETTING server.shutdown."):
            name = statement.removeprefix("SHOW CLUSTER SETTING server.shutdown.")
            if name not in self.drains:
                raise TransientError("nodes.no-answer", f"sql: ERROR: unknown setting: {name} SQLSTATE: 42704")
            return ({name: self.drains[name]},)
        if "security.certificate.expiration.node" in statement:
            return ({"value": self.expirations[node.ordinal]},)
        if statement in ("SHOW ALL ZONE CONFIGURATIONS", "SHOW ZONE CONFIGURATION FROM RANGE default"):
            is_all = statement.startswith("SHOW ALL")
            if not self.zones or (is_all and not self.knows_all_zones):
                raise TransientError("nodes.no-answer", "sql: ERROR: at or near SHOW: syntax error SQLSTATE: 42601")
            return self.zones
        held = re.fullmatch(r"SELECT range_id FROM \[SHOW CLUSTER RANGES\] .*ARRAY\[(\d+)\].* LIMIT 5", statement)
        if held:
            if int(held[1]) not in self.held:
                raise TransientError("nodes.no-answer", "sql: ERROR: at or near CLUSTER: syntax error SQLSTATE: 42601")
            return tuple({"range_id": str(number)} for number in self.held[int(held[1])])
        return ({"value": answers[statement]},)

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
        self._record("decommission", node)
        self._must_serve(node)
        self.commands.append(f"decommission {ids} {checks}{' on trial' if is_trial else ''}")
        if any(member not in self.members for member in ids):
            raise BrokenError("nodes.unknown", "node does not exist")
        if self.blocked and checks == "enabled":
            return Decommissioning(blocked=self.blocked)
        rows = [self.members[member] for member in ids]
        for row in () if is_trial else rows:
            row["membership"] = "decommissioning" if row["membership"] == "active" else row["membership"]
        answer = tuple({"id": row["id"], "replicas": row["gossiped_replicas"]} for row in rows)
        if not is_trial and all(row["gossiped_replicas"] == "0" for row in rows):
            for row in rows:
                row |= {"membership": "decommissioned", "is_live": "false", "address": "", "build": ""}
        for row in () if is_trial else rows:
            row["gossiped_replicas"] = str(max(0, int(row["gossiped_replicas"] or 0) - self.moves))
        return Decommissioning(rows=answer)

    async def recommission(self, ref: ClusterRef, node: NodeRef, *, domain: str, member: int) -> bool:
        self._record("recommission", node)
        self.commands.append(f"recommission {member}")
        row = self.members[member]
        if row["membership"] == "decommissioned":
            return False
        row["membership"] = "active"
        return True

    async def drain(self, ref: ClusterRef, node: NodeRef, *, domain: str, member: int) -> bool:
        self._record("drain", node)
        self.commands.append(f"drain {member}")
        self.drains_left -= 1
        if self.drains_left < 0:
            self.members[member]["is_draining"] = "true"
        return self.drains_left < 0

    def _preserve(self, statement: str) -> None:
        """Set or clear what is preserved; anything but the active version is refused in the vendor's words."""
        setting = "cluster.preserve_downgrade_option"
        wanted = re.fullmatch(rf"(?:RESET CLUSTER SETTING {setting}|SET CLUSTER SETTING {setting} = '(.+)')", statement)
        if wanted is None:
            raise AssertionError(f"nobody asked for this: {statement}")
        self._settled()
        value = wanted[1] or ""
        if value not in ("", self.active):
            said = f"cannot set {setting} to {value} (cluster version is {self.active})"
            raise TransientError("nodes.no-answer", f"sql: ERROR: {said} SQLSTATE: XXUUU")
        self.preserved = value
        self.commands.append(statement)

    def _settled(self) -> str:
        """The active version: all members run a newer major and nothing preserves the older one, so it is that."""
        members = [row for row in self.members.values() if row["membership"] != "decommissioned"]
        majors = {row["build"].removeprefix("v").rpartition(".")[0] for row in members}
        is_held = self.preserved or any(row["membership"] != "active" or row["is_live"] != "true" for row in members)
        if len(majors) == 1 and "" not in majors and not is_held:
            (self.active,) = majors
        return self.active

    def _record(self, what: str, node: NodeRef) -> None:
        self.asked.append((what, node.ordinal))
        if self.refusal:
            raise self.refusal

    def _must_serve(self, node: NodeRef) -> None:
        if self.states[node.ordinal] != "serving":
            raise TransientError("nodes.no-answer", f"{node.pod}: node waiting for init")
