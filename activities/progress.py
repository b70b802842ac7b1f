"""How far the certificates and pods of a cluster are, from its pods and CSRs. Pure; asking is `activities.cluster`."""

from __future__ import annotations

from activities import pods
from activities.csr_object import APPROVED_REASON, CsrObject, Object
from activities.payloads import PodCertificate, PodsState
from domain.certificate import SigningPolicy
from domain.model import CLIENT_POD, NodeRef


def expected_pods(nodes: int) -> tuple[str, ...]:
    """Return the names of all pods of a cluster: every node, and the client pod."""
    return (*(NodeRef(ordinal=n).pod for n in range(nodes)), CLIENT_POD)


def certificate(name: str, pod: Object | None, csrs: tuple[CsrObject, ...], policy: SigningPolicy) -> PodCertificate:
    """Say how far a pod's certificate is. Of its requests the newest counts."""
    if pod is None:
        return PodCertificate(pod=name, state="no-pod")
    uid = pod["metadata"]["uid"]
    about = PodCertificate(pod=name, pod_uid=uid, state="starting", pod_created_at=pods.created_at(pod))
    if pods.has_certificate(pod):
        return about.model_copy(update={"state": "present"})
    own = [csr for csr in csrs if csr.pod_uid == uid and csr.username in policy.accounts()]
    csr = max(own, key=lambda csr: (csr.created_at, csr.name), default=None)
    found = pods.trouble(pod)
    detail = found.sentence if found else ""
    if csr is None:
        return about.model_copy(update={"detail": detail})
    for kind in ("Denied", "Failed"):
        if condition := csr.condition(kind):
            detail = condition.message or condition.reason
    if csr.state == "issued":
        detail = detail or "signed; certagent puts it in place"
    state, approval = csr.state, csr.condition("Approved")
    if state == "approved" and approval and approval.reason != APPROVED_REASON:
        state, detail = "pending", "approved outside; a person's decision is still needed"
    return about.model_copy(update={"state": state, "csr": csr.name, "detail": detail})


def pods_state(known: dict[str, Object], nodes: int, *, bound: int) -> PodsState:
    """Count running, ready and bound, and say in words what is still missing."""
    names = expected_pods(nodes)[:-1]
    found = [known[name] for name in names if name in known]
    running, ready = sum(map(pods.is_running, found)), sum(map(pods.is_ready, found))
    has_client = CLIENT_POD in known and pods.is_ready(known[CLIENT_POD])
    sentence = f"{running} of {nodes} nodes run, {ready} ready, {bound} volumes bound"
    if not has_client:
        sentence += ", client pod not ready"
    seen = (pods.trouble(known[name]) for name in (*names, CLIENT_POD) if name in known)
    troubles = [trouble.sentence for trouble in seen if trouble]
    return PodsState(running=running, ready=ready, bound=bound, sentence="; ".join([sentence, *troubles[:2]])[:500])
