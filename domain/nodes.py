"""What the states of all nodes say about `init`: send it, leave it, wait, or stop.

`init` is the one step that must not happen twice: it runs only when every node waits for it, and always against the
same one. Asking the nodes is `activities.nodes`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

NodeState = Literal["waiting-for-init", "serving", "unreachable"]

#: `init` goes to this ordinal, which stands in every node's --join list.
INIT_TARGET = 0


def init_target(recorded: int | None) -> int:
    """Return the ordinal that `init` goes to: the recorded one, for ever; node 0 where none was recorded yet."""
    return INIT_TARGET if recorded is None else recorded


class NodeAnswer(BaseModel):
    """What one node answered when it was asked for its status."""

    model_config = ConfigDict(frozen=True)

    ordinal: int
    state: NodeState
    cluster_id: str = ""
    detail: str = ""


class InitDecision(BaseModel):
    """`send` to the target, `done` (some cluster serves everywhere), `wait` (named nodes), `mixed` (a person looks)."""

    model_config = ConfigDict(frozen=True)

    action: Literal["send", "done", "wait", "mixed"]
    sentence: str


def decide_init(answers: tuple[NodeAnswer, ...], *, nodes: int) -> InitDecision:
    """Decide about `init` from the answers of all nodes.

    `send` needs exactly one answer of each ordinal below `nodes`, and each of them waiting: a node that was asked twice
    or one too many proves nothing about another.
    """
    waiting = [a.ordinal for a in answers if a.state == "waiting-for-init"]
    serving = [a.ordinal for a in answers if a.state == "serving"]
    silent = [a for a in answers if a.state == "unreachable"]
    if silent:
        said = "; ".join(f"node {a.ordinal}: {a.detail or 'no answer'}" for a in silent)
        return InitDecision(action="wait", sentence=f"waiting for every node to answer ({said})")
    asked = sorted(a.ordinal for a in answers)
    if not answers or asked != list(range(nodes)):
        return InitDecision(
            action="wait",
            sentence=f"waiting for one answer of each node: found nodes {asked}, expected 0 to {nodes - 1}",
        )
    if len(waiting) == nodes:
        return InitDecision(action="send", sentence=f"all {nodes} nodes wait for init")
    if len(serving) == nodes:
        return InitDecision(action="done", sentence=f"all {nodes} nodes serve")
    return InitDecision(
        action="mixed", sentence=f"nodes {serving} serve while nodes {waiting} still wait for init: they have to join"
    )


def one_cluster(answers: tuple[NodeAnswer, ...]) -> bool:
    """Whether all nodes name one and the same cluster id."""
    ids = {answer.cluster_id for answer in answers}
    return len(ids) == 1 and "" not in ids
