"""Activities by which nodes leave the cluster and are taken back: trial, decommission, follow, drain, finish, back.

`init` and how nodes stand is `nodes`; which nodes leave is decided by `domain.scale`, and pods go by `scaling`. All
targets are decommissioned in one command: two that are begun apart never come to an end together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from temporalio import activity

from activities.applying import check_ours
from activities.asking import Asking
from activities.ports import ClusterPort, Decommissioning, NodePort
from activities.scale_payloads import FollowRequest, Members, MembersRequest
from activities.volumes import note
from activities.waiting import TICK_SECONDS, beating
from domain.errors import NotReadyError, OpsError, RefusedError
from domain.health import NodeStatus, has_checks, places
from domain.model import ClusterRef, NodeRef

#: The CLI is asked at most this often; the rows behind it are renewed every ten seconds.
POLL_SECONDS = 5.0
_PAUSE = timedelta(seconds=5)
#: Ranges with a replica on a node, as SQL has it since v23.1. Five are named, as the vendor's own command does.
_HELD = "SELECT range_id FROM [SHOW CLUSTER RANGES] WHERE replicas @> ARRAY[{member}] ORDER BY range_id LIMIT {most}"
_MOST_RANGES = 5

Checks = Literal["", "enabled", "skip"]


class MembershipActivities:
    """Activities on the membership of nodes."""

    def __init__(self, nodes: NodePort, cluster: ClusterPort, *, poll: float = POLL_SECONDS) -> None:
        self._nodes = nodes
        self._cluster = cluster
        self._poll = poll

    @activity.defn(name="nodes.try_decommission")
    async def try_decommission(self, request: MembersRequest) -> Members:
        """Ask on trial whether these nodes could leave, where the release can. Repeating it changes nothing either.

        Of nodes that leave already it also tells which ranges they still hold.
        """
        asking = self._asking(request)
        found, can_check = await self._look(asking, request)
        targets = tuple(node.id for node in found if node.is_member)
        if not targets or not can_check:
            return Members(nodes=found, left=_left(found))
        answer = await self._command(asking, request, targets, checks="enabled", is_trial=True)
        begun = [node.id for node in found if node.membership == "decommissioning"]
        ranges = {member: await self._ranges(asking, request, member) for member in begun}
        return Members(nodes=found, left=_left(found), blocked=answer.blocked, ranges=ranges)

    @activity.defn(name="nodes.decommission")
    async def decommission(self, request: MembersRequest) -> Members:
        """Begin to decommission all of them in one command. Repeating it goes on with those that have begun.

        Checks are left out only when each has begun already, since the checks count what is on its way as missing.
        """
        asking = self._asking(request)
        rows = await beating(asking.members())
        found, can_check = _of(rows, request.ids), _can_check(rows)
        targets = [node for node in found if node.is_member]
        if targets:
            # Whose volume is whose: once they are decommissioned the database does not tell any more.
            await note(self._cluster, request.ref, [node for node in places(rows).values() if node in targets])
            is_begun = all(node.membership == "decommissioning" for node in targets)
            checks: Checks = ("skip" if is_begun else "enabled") if can_check else ""
            answer = await self._command(asking, request, tuple(node.id for node in targets), checks=checks)
            if answer.blocked:
                raise RefusedError(
                    "scale.blocked",
                    f"The database refuses to decommission: found {'; '.join(answer.blocked)}, expected nothing.",
                    hint="Nothing was changed. Mend the ranges that it names, then ask again.",
                )
            found, _ = await self._look(asking, request)
            return Members(nodes=found, left=_left(found) if _tell(found) else _counted(answer))
        return Members(nodes=found, left=_left(found))

    @activity.defn(name="nodes.follow")
    async def follow(self, request: FollowRequest) -> Members:
        """Follow how replicas move away, for a while. Repeating it only reads again.

        What a dead node last said of itself means nothing: for it the command counts, which scans the ranges.
        """
        began, left = time.monotonic(), request.known
        # A second try looks the nodes up anew: none of those that were ready may be there any more.
        ready = request.ready if activity.info().attempt == 1 else ()
        asking = Asking(self._cluster, self._nodes, request.ref, request.spec, ready=ready)
        asked_at = began if ready else began - self._poll
        while True:
            while (now := time.monotonic()) - asked_at < self._poll:
                activity.heartbeat(left)
                await asyncio.sleep(min(TICK_SECONDS, asked_at + self._poll - now))
            asked_at = now
            left, found = await self._count(asking, request)
            now = time.monotonic()
            is_news = left != request.known and now - began >= request.at_least
            if left == 0 or is_news or now - began >= request.at_most:
                return Members(nodes=found, left=left, ready=asking.ready)

    @activity.defn(name="nodes.drain")
    async def drain(self, request: MembersRequest) -> None:
        """Drain the live ones of these nodes. Repeating it goes on: what is drained is drained at once."""
        asking = self._asking(request)
        found, _ = await self._look(asking, request)
        through = await asking.through()
        for node in found:
            if not (node.is_live and node.is_member):
                continue
            domain = request.spec.cluster_domain
            if not await beating(self._nodes.drain(request.ref, through, domain=domain, member=node.id)):
                raise NotReadyError("nodes.draining", f"{node.name()} still drains.", retry_after=timedelta(seconds=1))

    @activity.defn(name="nodes.finish")
    async def finish(self, request: MembersRequest) -> Members:
        """End the decommission of nodes without replicas. Repeating it finds them `decommissioned`, and reads that.

        The command's own last table still says decommissioning; only the status afterwards tells.
        """
        asking = self._asking(request)
        found, can_check = await self._look(asking, request)
        targets = tuple(node.id for node in found if node.is_member)
        if targets:
            answer = await self._command(asking, request, targets, checks="skip" if can_check else "")
            left = _counted(answer)
            if left:
                return Members(nodes=found, left=left)
            found, _ = await self._look(asking, request)
        still = [node.name() for node in found if node.is_member]
        if still:
            said = f"{', '.join(still)}: found no replicas and not decommissioned yet."
            raise NotReadyError("nodes.not-decommissioned", said, retry_after=_PAUSE)
        return Members(nodes=found)

    @activity.defn(name="nodes.recommission")
    async def recommission(self, request: MembersRequest) -> Members:
        """Take back those that are decommissioning. Repeating it finds them active, and leaves the rest.

        A node that was drained serves again only after a restart: its pod is deleted, by uid, and comes back with the
        same volume.
        """
        asking = self._asking(request)
        found, _ = await self._look(asking, request)
        for node in found:
            if node.membership == "decommissioning":
                through, domain = await asking.through(), request.spec.cluster_domain
                await beating(self._nodes.recommission(request.ref, through, domain=domain, member=node.id))
        found, _ = await self._look(asking, request)
        drained = tuple(node for node in found if node.is_member and node.is_live and node.is_draining)
        for node in drained:
            await self._restart(request.ref, node)
        return Members(nodes=found, restarted=tuple(node.id for node in drained))

    async def _restart(self, ref: ClusterRef, node: NodeStatus) -> None:
        if node.ordinal is None:
            return
        name = NodeRef(ordinal=node.ordinal).pod
        pod = await self._cluster.get("Pod", name, namespace=ref.namespace)
        if pod is not None and not pod["metadata"].get("deletionTimestamp"):
            check_ours(ref, "Pod", pod)
            await self._cluster.delete("Pod", name, namespace=ref.namespace, uid=pod["metadata"]["uid"])

    async def _ranges(self, asking: Asking, request: MembersRequest, member: int) -> tuple[int, ...]:
        """Return the first ranges with a replica on a node; none where the database does not say."""
        through, domain = await asking.through(), request.spec.cluster_domain
        statement = _HELD.format(member=member, most=_MOST_RANGES)
        try:
            rows = await beating(self._nodes.query(request.ref, through, domain=domain, statement=statement))
        except OpsError as error:
            activity.logger.info("ranges not told", extra={"node": member, "error_code": error.code})
            return ()
        return tuple(int(value) for row in rows for value in row.values() if value.isdecimal())

    def _asking(self, request: MembersRequest) -> Asking:
        return Asking(self._cluster, self._nodes, request.ref, request.spec)

    async def _look(
        self, asking: Asking, request: MembersRequest | FollowRequest
    ) -> tuple[tuple[NodeStatus, ...], bool]:
        """Return these nodes as the database says, and whether its release checks before it decommissions."""
        rows = await beating(asking.members())
        return _of(rows, request.ids), _can_check(rows)

    async def _command(
        self,
        asking: Asking,
        request: MembersRequest | FollowRequest,
        ids: tuple[int, ...],
        *,
        checks: Checks,
        is_trial: bool = False,
    ) -> Decommissioning:
        through = await asking.through()
        work = self._nodes.decommission(
            request.ref, through, domain=request.spec.cluster_domain, ids=ids, checks=checks, is_trial=is_trial
        )
        return await beating(work)

    async def _count(self, asking: Asking, request: FollowRequest) -> tuple[int, tuple[NodeStatus, ...]]:
        found, can_check = await self._look(asking, request)
        still = [node for node in found if node.is_member]
        if _tell(still):
            return _left(found), found
        answer = await self._command(
            asking, request, tuple(node.id for node in still), checks="skip" if can_check else ""
        )
        return _counted(answer), found


def _of(rows: tuple[NodeStatus, ...], ids: tuple[int, ...]) -> tuple[NodeStatus, ...]:
    return tuple(node for node in rows if node.id in ids)


def _can_check(rows: tuple[NodeStatus, ...]) -> bool:
    return any(has_checks(node.build) for node in rows)


def _tell(found: Sequence[NodeStatus]) -> bool:
    """Whether all that have not left say themselves how many replicas they hold; the dead do not."""
    return all(node.is_live and node.replicas is not None for node in found if node.is_member)


def _left(found: tuple[NodeStatus, ...]) -> int:
    return sum(node.replicas or 0 for node in found if node.is_member)


def _counted(answer: Decommissioning) -> int:
    counts = (row.get("replicas", "") for row in answer.rows)
    return sum(int(count) for count in counts if count.isdecimal())
