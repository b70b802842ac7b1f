"""What becomes of a volume: of each that is left over, and of each that is in the way of a new node, people decide.

Asking is `gate`; that a volume is in nobody's use is checked once more by the activity that deletes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.scale_payloads import DeleteVolumeRequest
    from activities.scaling import ScalingActivities
    from domain.configuration import ApprovalRule
    from domain.errors import RefusedError
    from domain.health import NodeStatus
    from domain.model import ClusterRef, NodeRef
    from domain.scale import ScaleFacts, Volume, is_spent, node_of
    from operations.gate import Question
    from workflows.departure import DepartureWorkflow
    from workflows.gate import GatedWorkflow
    from workflows.retries import APPLY

Done = TypeVar("Done")


class VolumesWorkflow(GatedWorkflow[Done], DepartureWorkflow[Done]):
    """A change that may leave volumes, or find some."""

    def _begin_toward(self, ref: ClusterRef, headline: str, *, target: int) -> None:
        super()._begin_toward(ref, headline, target=target)
        self._kept: set[str] = set()
        self._deleted: set[str] = set()
        self._reused: set[str] = set()

    def _hear_of_target(self) -> None:
        for gate in self._gates.values():
            self._withdraw(gate.status.question, why="The number of nodes was changed.")

    async def _left_over(self, volumes: Sequence[Volume], facts: ScaleFacts, *, step: str) -> None:
        """Ask about every volume at once; each is deleted as soon as enough people said so, and else kept."""
        self._kept |= {volume.name for volume in volumes}
        ends = await asyncio.gather(
            *(self._one_left_over(volume, facts, step=step) for volume in volumes), return_exceptions=True
        )
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        said = [f"kept: {', '.join(sorted(self._kept))}"] if self._kept else []
        said += [f"deleted: {', '.join(sorted(self._deleted))}"] if self._deleted else []
        self._detail(step, "; ".join(said))

    async def _one_left_over(self, volume: Volume, facts: ScaleFacts, *, step: str) -> None:
        node = node_of(volume, facts.nodes)
        if node is None or node.is_member or not volume.is_ours:
            return  # only the store of a node that left for good is nobody's
        question = _left_over_question(volume, node, rule=self._volume_rule)
        if (await self._decide(question, step=step, asked_by=self._also_asked)).is_yes:
            await self._delete(volume)

    async def _in_the_way(self, volume: Volume, facts: ScaleFacts, *, step: str) -> None:
        """Ask about a volume that a new pod would take: wipe it, or use it again where its node is not known.

        Raises:
            RefusedError: `scale.leftover-volume`: it stays, so that there is no place for the new node.
        """
        node = node_of(volume, facts.nodes)
        spent = is_spent(volume, facts.nodes)
        question = _in_the_way_question(volume, node, is_spent=spent, rule=self._volume_rule)
        decided = await self._decide(question, step=step, asked_by=self._also_asked)
        if decided.is_yes:
            await self._delete(volume, is_unknown=node is None)
            self._detail(step, f"wiped {volume.name}")
        elif decided.outcome == "denied" and not spent:
            self._reused.add(volume.name)
            self._detail(step, f"{volume.name} is used again")
        else:
            why = "nobody decided in time" if decided.outcome == "expired" else "people decided to keep it"
            raise RefusedError(
                "scale.leftover-volume",
                f"{volume.name}: found it in the way of {NodeRef(ordinal=volume.ordinal).pod}, and {why}.",
                hint="It was kept. The same /crdb scale asks again.",
            )

    @property
    def _volume_rule(self) -> ApprovalRule:
        assert self._authorization is not None
        return self._authorization.approvals.volume

    async def _delete(self, volume: Volume, *, is_unknown: bool = False) -> None:
        await workflow.execute_activity_method(
            ScalingActivities.delete_volume,
            DeleteVolumeRequest(ref=self._status.ref, volume=volume, is_unknown=is_unknown),
            summary=f"delete volume {volume.name}, as people decided",
            **APPLY,
        )
        self._deleted.add(volume.name)
        self._kept.discard(volume.name)


def _left_over_question(volume: Volume, node: NodeStatus, *, rule: ApprovalRule) -> Question:
    pod = NodeRef(ordinal=volume.ordinal).pod
    return Question(
        kind="delete-volume",
        headline=f"Delete volume {volume.name}?",
        if_yes=f"{volume.name} is deleted with the store of n{node.id} on it; the other nodes hold all of its data.",
        if_no=f"{volume.name} is kept. Its store can never join again: before {pod} is added again it has to go.",
        evidence=_evidence(volume, node),
        facts={"volume": volume.name, "uid": volume.uid, "node": node.id},
        yes="Delete",
        no="Keep",
        destroys=volume.name,
        is_reason_required=False,
        rule=rule,
    )


def _in_the_way_question(volume: Volume, node: NodeStatus | None, *, is_spent: bool, rule: ApprovalRule) -> Question:
    pod = NodeRef(ordinal=volume.ordinal).pod
    kept = "the scale ends here" if is_spent else f"{pod} uses it again, with whatever store is on it"
    return Question(
        kind="wipe-volume",
        headline=f"Wipe volume {volume.name}, which is in the way of {pod}?",
        if_yes=f"{volume.name} is deleted with what is on it, and {pod} gets a new one.",
        if_no=f"{volume.name} is kept, and {kept}.",
        evidence=_evidence(volume, node),
        facts={"volume": volume.name, "uid": volume.uid, "node": node.id if node else None},
        yes="Wipe",
        no="Keep" if is_spent else "Use it again",
        destroys=volume.name,
        is_reason_required=False,
        rule=rule,
    )


def _evidence(volume: Volume, node: NodeStatus | None) -> tuple[str, ...]:
    whose = f"its node is {node.name()}, {node.membership}" if node else "the database knows no node of this volume"
    mounted = ", ".join(volume.mounted_by)
    found = (whose, f"mounted by {mounted}" if mounted else "no pod mounts it")
    return (*found, *((f"size {volume.size}",) if volume.size else ()))
