"""The named retry policies and deadlines; no such number stands anywhere else in the workflows.

Origins: start-up times of the database and of Kubernetes (running 10 min, ready 5 min, init 2 min), the life of a CSR
in Kubernetes (a day pending), and how long a person may be waited for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType


class Terms(TypedDict, total=False):
    """How an activity is tried: passed as keywords of `execute_activity_method`."""

    start_to_close_timeout: timedelta
    schedule_to_start_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType


def within(terms: Terms, left: timedelta) -> Terms:
    """Return terms that end when the time that is left is over."""
    bounded = terms.copy()
    bounded["schedule_to_close_timeout"] = max(left, timedelta(seconds=1))
    return bounded


_QUICK = RetryPolicy(initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=10))
_STEADY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))

#: Reading and deciding.
OBSERVE = Terms(
    start_to_close_timeout=timedelta(seconds=30), schedule_to_close_timeout=timedelta(minutes=5), retry_policy=_QUICK
)
#: Reading a CSR and what stands behind it, for as long as it lives in Kubernetes: an outage there closes no card.
READ = Terms(
    start_to_close_timeout=timedelta(seconds=30), schedule_to_close_timeout=timedelta(hours=24), retry_policy=_STEADY
)
#: Writing objects; safe to repeat.
APPLY = Terms(
    start_to_close_timeout=timedelta(minutes=2), schedule_to_close_timeout=timedelta(minutes=10), retry_policy=_STEADY
)
#: The signer, where a person waits: thirty seconds to begin, or it is away and nothing was made.
SIGNER = Terms(
    schedule_to_start_timeout=timedelta(seconds=30),
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(minutes=5),
    retry_policy=_QUICK,
)
#: Judging and signing; `SIGN_WITHIN` of the decision.
SIGN = Terms(
    start_to_close_timeout=timedelta(seconds=30), schedule_to_close_timeout=timedelta(hours=24), retry_policy=_STEADY
)
#: Writing the decision into Kubernetes, for as long.
DECIDE = Terms(
    start_to_close_timeout=timedelta(seconds=30), schedule_to_close_timeout=timedelta(hours=24), retry_policy=_STEADY
)
#: What is done within a worker's turn is tried once, for half of the ten seconds that a turn may take at most.
ONCE = RetryPolicy(maximum_attempts=1)
IN_TURN = timedelta(seconds=5)
_PATIENT = RetryPolicy(
    initial_interval=timedelta(seconds=0.5), backoff_coefficient=1.5, maximum_interval=timedelta(seconds=5)
)
#: All pods running and volumes bound, ten minutes after the last certificate.
RUNNING = Terms(
    start_to_close_timeout=timedelta(minutes=10),
    schedule_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_PATIENT,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
#: All pods ready, five minutes after init.
READY = Terms(
    start_to_close_timeout=timedelta(minutes=5),
    schedule_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_PATIENT,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
#: `init`, which is sent when every node answers; its attempts are cheap until then, and each ends within two minutes.
INIT = Terms(
    start_to_close_timeout=timedelta(minutes=2), schedule_to_close_timeout=timedelta(minutes=5), retry_policy=_STEADY
)
#: SQL: look first, then act.
SQL = Terms(
    start_to_close_timeout=timedelta(minutes=1), schedule_to_close_timeout=timedelta(minutes=5), retry_policy=_STEADY
)
_CHAT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60))
#: A card: retried for as long as its approval is open.
CARD = Terms(start_to_close_timeout=timedelta(seconds=45), retry_policy=_CHAT)
#: Progress: tried for as long as the operation runs, so that the message is true again once Slack is back.
PROGRESS = Terms(start_to_close_timeout=timedelta(seconds=15), retry_policy=_CHAT)
#: The first message of an operation, which everything else hangs on.
ROOT = Terms(start_to_close_timeout=timedelta(seconds=15), retry_policy=_CHAT)
#: The last message, delivered by a child of its own while the operation is long closed.
ANNOUNCE = Terms(
    start_to_close_timeout=timedelta(seconds=45), schedule_to_close_timeout=timedelta(hours=24), retry_policy=_CHAT
)
#: One look; the whole workflow has twenty seconds.
LOOK = Terms(
    start_to_close_timeout=timedelta(seconds=15),
    schedule_to_close_timeout=timedelta(seconds=18),
    retry_policy=_QUICK,
)

#: A pod's certagent asks within this time of the pod's making, or the pod's own trouble is named.
ASKED_WITHIN = timedelta(minutes=5)
#: All certificates of a deploy are decided within this time, or the lock is given back.
DECIDED_WITHIN = timedelta(hours=24)
#: Without a signal, the world is looked at again after this while some pod has not asked yet,
LOOK_AGAIN = timedelta(minutes=1)
#: and after this when all that is missing is people's decisions, of which signals tell.
LOOK_SELDOM = timedelta(hours=1)
#: Small changes of a message are drawn together, this long after the last redraw.
REDRAW_AFTER = timedelta(seconds=10)
#: A CSR is read again at least this often while it waits.
REREAD = timedelta(hours=1)
#: A card that was never shown is given up after a day; Kubernetes collects the request by then.
NEVER_SHOWN = timedelta(hours=24)
#: Judged and signed within this time of a person's decision, so that it outlives an outage of the signer; the signer
#: itself takes no older decision.
SIGN_WITHIN = timedelta(hours=24)
#: From a decision to this, the card is not drawn again by itself: a certificate mostly takes less.
ISSUING_SHOWN = timedelta(seconds=2)
#: From a decision to this, the card says nothing of the signer; then it names it.
SIGNER_SILENT = timedelta(seconds=20)
#: Nodes that still wait while others serve have to join within this time.
JOIN_WITHIN = timedelta(minutes=1)
#: Pause between two looks at the nodes around init.
LOOK_AT_NODES = timedelta(seconds=10)
#: Strangers are gathered this long before they are told in one message.
GATHER_STRANGERS = timedelta(minutes=1)
#: No request has waited for a place for this long: the next that does is told anew.
CROWD_OVER_AFTER = timedelta(minutes=5)
#: Requests that wait all day are told again: Kubernetes collects each within a day, so by then they are others.
CROWD_AT_MOST = timedelta(hours=24)
#: Waiting for the cluster to be well: the activity tells how it stands after a minute at the latest.
HEALTH = Terms(
    start_to_close_timeout=timedelta(minutes=3),
    schedule_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_PATIENT,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
#: One command of the database about its members; it ends by itself within a minute, and safe to repeat.
MEMBERSHIP = Terms(
    start_to_close_timeout=timedelta(minutes=2),
    schedule_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_STEADY,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
#: Draining goes on with each attempt, as the vendor's own limit of ten minutes has it, twice.
DRAIN = Terms(
    start_to_close_timeout=timedelta(minutes=3),
    schedule_to_close_timeout=timedelta(minutes=20),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_STEADY,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)
#: Pods that are removed may take the grace period of five minutes each, side by side.
GONE = Terms(
    start_to_close_timeout=timedelta(minutes=15),
    schedule_to_close_timeout=timedelta(minutes=15),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_PATIENT,
)

#: Watching beside a wait, for as long as that lasts: begun anew each hour, which adds nothing to the history.
BESIDE = Terms(
    start_to_close_timeout=timedelta(hours=1), heartbeat_timeout=timedelta(seconds=10), retry_policy=_PATIENT
)

#: How long one look waits for a cluster to be well before it tells what is missing.
HEALTH_LOOK = timedelta(seconds=60)
#: A cluster that is not well within this time after a step is a person's business.
HEALTHY_WITHIN = timedelta(minutes=30)
#: Replicas that move are told at most this often at first; each telling costs a dozen events of the history,
MOVED_OFTEN = timedelta(seconds=10)
#: and at most this often later.
MOVED_SELDOM = timedelta(seconds=60)
#: No replica moved for this long: the nodes are taken back and the lock is freed.
STALLED_FOR = timedelta(hours=1)
#: Pause before the members are asked again when two answers of the database differ.
ASK_AGAIN_AFTER = timedelta(seconds=5)

#: How long one wait for a killed pod lasts before it tells what is missing.
BACK_LOOK = timedelta(seconds=60)
#: A killed pod is ready again within this time: the grace period of five minutes, ten to run, five to be ready.
BACK_WITHIN = timedelta(minutes=20)

#: A pod that gets another release is back within this time: the grace period of five minutes, ten to pull and start the
#: image, five to be ready. One that cannot start is told of sooner.
RESTARTED = Terms(
    start_to_close_timeout=timedelta(minutes=20),
    schedule_to_close_timeout=timedelta(minutes=25),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_PATIENT,
)
#: Following the active version: each look tells after `VERSION_LOOK` at the latest.
FOLLOW_VERSION = Terms(
    start_to_close_timeout=timedelta(minutes=3),
    schedule_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_PATIENT,
)
#: How long one look at the active version lasts while it does not change.
VERSION_LOOK = timedelta(seconds=60)
#: The active version has not changed for this long: what holds it up is named. Each step of a migration mostly takes
#: seconds; longer ones rewrite tables of the database itself.
VERSION_STALLED_AFTER = timedelta(minutes=5)
#: The active version has not changed for this long: the change ends, which stops no migration, and names the cause.
VERSION_STALLED_FOR = timedelta(hours=1)
#: Looking whether an upgrade that is not final has changed: each attempt is one look, and the next one comes when it
#: asks for it, which leaves no events in the history.
WATCH = Terms(
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(seconds=10),
    retry_policy=_STEADY,
)
#: Time that a watch has beyond the moment for which it is asked, to end by itself.
WATCH_SPARE = timedelta(hours=1)
#: Pause before a watch that was refused, such as by a right that was taken, is tried again.
WATCH_AGAIN = timedelta(days=1)
#: People are reminded of an upgrade that is not final when its time of observation is over, and so long after that;
REMINDED_AFTER = (timedelta(0), timedelta(days=3), timedelta(days=7))
#: later this often: it keeps every scale and every other upgrade out.
REMINDED_SELDOM = timedelta(days=30)
#: A second change of what is not well is told this long after the first, the next one twice as long after that, and so
#: on: a node that comes and goes for a week is told of a dozen times.
NOTICED_AFTER = timedelta(minutes=10)
#: Pause before a pod that cannot start is looked at again, where people chose to wait: the kubelet tries an image again
#: after five minutes at most.
TRY_AGAIN_AFTER = timedelta(minutes=5)
