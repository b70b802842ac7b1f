"""An upgrade that is not final, as it is watched: active version, what the nodes run, what is not well, how it ended.

Pure, and in words that stay the same while nothing changes: figures that move by themselves are not in it, since each
change is told. Looking is `activities.observing`; keeping it in mind is the workflow `observe`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.health import NodeStatus
from domain.model import NodeRef
from domain.releases import is_settled, series_of
from domain.upgrade_facts import UpgradeFacts

Outcome = Literal["", "final", "rolled-back", "gone"]


class Observation(BaseModel):
    """What was seen at one look. `version`: the release, or a patch of it since; `builds`: of live members.

    `outcome` is "" while it is neither final nor rolled back.
    """

    model_config = ConfigDict(frozen=True)

    version: str = ""
    active: str = ""
    builds: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    outcome: Outcome = ""
    sentence: str = ""


def unseen(why: str, *, last: Observation) -> Observation:
    """Return what is told while nobody answers: what was seen last, and that it is not known to be so any more."""
    return last.model_copy(update={"notices": (f"nobody can look: {why}",)})


def observed(facts: UpgradeFacts, *, version: str, before: str, last: Observation) -> Observation:
    """Read one look.

    Args:
        facts: What is there.
        version: The release that was upgraded to.
        before: The release to return to.
        last: The look before, for what the database does not say now.
    """
    if facts.live is None:
        return last.model_copy(update={"outcome": "gone", "notices": (), "sentence": "found no StatefulSet any more"})
    if facts.database != "serving" or not facts.active:
        return unseen("the database does not answer", last=last)
    outcome, sentence = _ended(facts, version=version, before=before)
    return Observation(
        version=facts.template if series_of(facts.template) == series_of(version) else version,
        active=facts.active,
        builds=facts.builds,
        notices=() if outcome else _notices(facts),
        outcome=outcome,
        sentence=sentence,
    )


def _ended(facts: UpgradeFacts, *, version: str, before: str) -> tuple[Outcome, str]:
    """Say how it ended, also where nobody told; nothing while it has not."""
    if facts.series == series_of(version) and is_settled(facts.active):
        return "final", f"active version {facts.active}"
    if facts.recorded is not None and not facts.upgraded_from:
        return "rolled-back", f"{facts.template} is recorded"
    is_by_hand = facts.recorded is not None and facts.recorded.version != facts.template  # ours writes both in one go
    if is_by_hand and before and facts.template == before and facts.builds == (before,):
        return "rolled-back", f"all nodes run {before} again by somebody's hand; /crdb rollback records that"
    return "", ""


def _notices(facts: UpgradeFacts) -> tuple[str, ...]:
    members = [node for node in facts.nodes if node.is_member]
    said = [_not_well(node) for node in members]
    here = {node.ordinal for node in members}
    said += [f"{NodeRef(ordinal=o).pod} has no node" for o in range(facts.replicas) if o not in here]
    if any(node.unavailable for node in members):
        said.append("ranges are unavailable")
    if any(node.under_replicated for node in members):
        said.append("ranges lack copies")
    if not facts.preserved and is_settled(facts.active):
        said.append("nothing preserves the downgrade: it may become final by itself")
    return tuple(one for one in said if one)


def _not_well(node: NodeStatus) -> str:
    if not node.is_live:
        return f"{node.name()} does not live"
    return "" if node.membership == "active" else f"{node.name()} is {node.membership}"
