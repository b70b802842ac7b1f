"""Task queue names, workflow ids, search attributes and the namespace: every name that crosses Temporal.

The id of a change is the lock of its cluster: the server refuses a second one.
"""

from __future__ import annotations

from domain.model import ClusterRef

NAMESPACE = "crdb"
CHAT_QUEUE = "crdb-chat"

CLUSTER = "CrdbCluster"
OPERATION = "CrdbOperation"
STATE = "CrdbState"
REQUESTER = "CrdbRequester"
APPROVERS = "CrdbApprovers"
VERSION = "CrdbVersion"
APPROVAL = "CrdbApproval"
FINGERPRINT = "CrdbFingerprint"

#: Search attributes and their types, plain text in the store. A run can ask several questions at once: APPROVAL and
#: FINGERPRINT hold a pair for each, in the same order. A SQL store has room for three lists in a namespace: these.
SEARCH_ATTRIBUTES = {
    CLUSTER: "Keyword",
    OPERATION: "Keyword",
    STATE: "Keyword",
    REQUESTER: "Keyword",
    APPROVERS: "KeywordList",
    VERSION: "Keyword",
    APPROVAL: "KeywordList",
    FINGERPRINT: "KeywordList",
}


def ops_queue(site: str) -> str:
    """Return the queue of the ops workers of a site: workflows, Kubernetes and database activities."""
    return f"crdb-ops-{site}"


def signer_queue(site: str) -> str:
    """Return the queue of the signers of a site: signing activities alone."""
    return f"crdb-signer-{site}"


def change_id(ref: ClusterRef) -> str:
    """Return the workflow id of every change of a cluster: its lock."""
    return f"crdb/{ref.site}/{ref.namespace}/{ref.cluster}/change"


def certify_id(*, site: str, name: str, uid: str) -> str:
    """Return the workflow id of the life of one CSR."""
    return f"crdb/{site}/csr/{name}/{uid}"


def look_id(*, site: str, request_id: str) -> str:
    """Return the workflow id of a look at the world."""
    return f"crdb/{site}/look/{request_id}"


def strangers_id(site: str) -> str:
    """Return the workflow id of the digest of CSRs that belong to no cluster of ours."""
    return f"crdb/{site}/strangers"


def crowd_id(ref: ClusterRef) -> str:
    """Return the workflow id of the notice that requests of a cluster wait for a place."""
    return f"crdb/{ref.site}/{ref.namespace}/{ref.cluster}/crowd"


def observe_id(ref: ClusterRef) -> str:
    """Return the workflow id of what keeps an upgrade in mind that is not final."""
    return f"crdb/{ref.site}/{ref.namespace}/{ref.cluster}/observe"


def announce_id(*, workflow_id: str, run_id: str) -> str:
    """Return the workflow id of the child that delivers a closed run's last message."""
    return f"{workflow_id}/announce/{run_id}"
