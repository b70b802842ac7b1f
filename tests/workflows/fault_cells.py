"""The fault matrix as a table: which operation, at which step, meets which fault, or why that cannot be.

How a cell is played is `fault_runs`; what is expected of it `test_faults`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from operations.chat import SAY, SHOW_CARD, SHOW_OPERATION

OperationName = Literal["deploy", "certify", "init"]
Fault = Literal[
    "worker killed", "409", "429", "5xx", "time-out", "watch dropped", "Temporal killed", "bot away", "Slack 429",
    "Slack 5xx", "activity twice", "delivered twice",
]  # fmt: skip


class Step(NamedTuple):
    """One step: the activities it consists of, in which the fault is met."""

    operation: OperationName
    name: str
    activities: tuple[str, ...]


#: What each fault is, as it is played.
FAULTS: dict[Fault, str] = {
    "worker killed": "SIGKILL to the worker's process, before and after the activity's effect",
    "409": "the first write is answered with 409 Conflict",
    "429": "the first call is answered with 429 and Retry-After",
    "5xx": "the first call is answered with 503",
    "time-out": "the first call (the first write where there is one) takes effect and its answer is lost",
    "watch dropped": "the watch breaks before what is waited for has happened",
    "Temporal killed": "SIGKILL to the server in the middle of the activity; started again with its database",
    "bot away": "the bot is not there from the beginning to the end and comes afterwards; decisions by approval id",
    "Slack 429": "the first call for each kind of message is answered with 429",
    "Slack 5xx": "the first call for each kind of message has its effect and is answered with 500",
    "activity twice": "every activity is done twice in a row, as after a lost answer to Temporal",
    "delivered twice": "the command, every event of the watch and every click come twice",
}

STEPS: tuple[Step, ...] = (
    Step("deploy", "preflight", ("operation.authorize", "signing.preflight", "cluster.plan")),
    Step("deploy", "authority", ("signing.ensure_ca", "cluster.record_ca")),
    Step("deploy", "objects", ("cluster.apply",)),
    Step("deploy", "certificates", ("certificates.read", "signing.sign")),
    Step("deploy", "running", ("cluster.wait_running",)),
    Step("deploy", "init", ("nodes.init",)),
    Step("deploy", "ready", ("cluster.wait_ready",)),
    Step("deploy", "sql", ("sql.check",)),
    Step("deploy", "message", (SHOW_OPERATION, SAY)),
    Step("certify", "read", ("certificates.read",)),
    Step("certify", "card", (SHOW_CARD,)),
    Step("certify", "judge", ("signing.judge",)),
    Step("certify", "approve", ("certificates.approve",)),
    Step("certify", "sign", ("signing.sign",)),
    Step("certify", "verify", ("certificates.verify",)),
    Step("certify", "deny", ("certificates.deny",)),
    Step("init", "preflight", ("operation.authorize", "cluster.plan_init")),
    Step("init", "running", ("cluster.client_pod", "cluster.wait_running")),
    Step("init", "init", ("nodes.record_target", "nodes.init")),
    Step("init", "ready", ("cluster.wait_ready",)),
    Step("init", "sql", ("sql.check",)),
    Step("init", "message", (SHOW_OPERATION, SAY)),
)

API: tuple[Fault, ...] = ("409", "429", "5xx", "time-out", "watch dropped")
SLACK: tuple[Fault, ...] = ("Slack 429", "Slack 5xx")
CHAT = frozenset({SHOW_OPERATION, SHOW_CARD, SAY})
#: Activities that write to Kubernetes or to the database.
WRITING = frozenset({
    "signing.ensure_ca", "cluster.record_ca", "cluster.apply", "cluster.client_pod", "nodes.record_target",
    "nodes.init", "certificates.approve", "certificates.deny", "signing.sign",
})  # fmt: skip
#: `init` is no write of an object: nothing answers it with 409.
_CONFLICTING = WRITING - {"nodes.init"}
#: Steps that hang on the watch of requests.
WATCHING = frozenset({("deploy", "certificates"), ("certify", "read")})
_DELIVERED = frozenset({
    ("deploy", "preflight"), ("deploy", "certificates"), ("certify", "read"), ("certify", "approve"),
    ("certify", "deny"), ("init", "preflight"),
})  # fmt: skip

_SLACK_ALONE = "speaks to Slack alone"
_NO_SLACK = "says nothing by itself: the message and the card are steps of their own"
#: Played in the deploy, by the same code of the workflow; here it would cost processes and show nothing new.
_AS_IN_DEPLOY = frozenset({("init", "ready"), ("init", "sql"), ("init", "message")})


def reason_against(step: Step, fault: Fault) -> str:
    """Say why a cell does not apply; "" when it does."""
    place = (step.operation, step.name)
    speaks = bool(CHAT & set(step.activities))
    if fault == "worker killed":
        return "the same activities and workflow code as in deploy" if place in _AS_IN_DEPLOY else ""
    if fault in API and speaks:
        return _SLACK_ALONE
    if fault in SLACK:
        return "" if speaks else _NO_SLACK
    if fault in ("429", "5xx", "time-out") and step.activities == ("operation.authorize",):
        return "asks nobody"
    if fault == "409":
        return "" if _CONFLICTING & set(step.activities) else "writes no object"
    if fault == "watch dropped":
        waits = any(name.startswith("cluster.wait_") for name in step.activities)
        return "" if waits or place in WATCHING else "watches nothing"
    if fault == "activity twice":
        return "a second execution is a second attempt: see Slack 5xx" if speaks else ""
    if fault == "delivered twice":
        return "" if place in _DELIVERED else "nothing is delivered to it from outside"
    return ""


#: Faults that one run meets, since each of them hits it elsewhere: half the runs, and the same cells.
TOGETHER: tuple[tuple[Fault, ...], ...] = (
    ("429", "Slack 429"),
    ("5xx", "Slack 5xx"),
    ("time-out",),
    ("409", "delivered twice"),
    ("activity twice", "watch dropped"),
)

CELLS: tuple[tuple[Step, Fault], ...] = tuple((step, fault) for step in STEPS for fault in FAULTS)
