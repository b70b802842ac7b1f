"""Gathering the facts of a CSR, the same way for ops and for the signer, each with its own identity and rights.

What follows from them is `domain.csr`. Only the API server's stamps decide who asked; everything else in a CSR is a
stranger's word and may be garbage.
"""

from __future__ import annotations

import asyncio
import re
from datetime import datetime

from activities.clients import pki
from activities.csr_object import CsrObject, Object
from activities.ports import CsrPort
from domain.certificate import SigningPolicy
from domain.csr import CsrFacts, PodFacts, passes_alone
from domain.model import CLIENT_ACCOUNT, CLIENT_POD, STATEFULSET

#: A request of these states may still become a certificate.
_OPEN = ("pending", "approved")
#: What a pod can be called: a DNS subdomain. Who may impersonate may also have anything stamped as a pod's name.
_POD = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class Surroundings:
    """What stands around the CSRs of a cluster at one moment: all its pods, or the one of the CSR that is looked at."""

    def __init__(self, csrs: tuple[CsrObject, ...], pods: tuple[Object, ...], stateful_set: Object | None) -> None:
        self.csrs = csrs
        self.pods = {pod["metadata"]["name"]: pod for pod in pods}
        self.stateful_set = stateful_set

    def csr(self, name: str) -> CsrObject | None:
        """Return the request of that name, as it is among all; None when it is gone."""
        return next((csr for csr in self.csrs if csr.name == name), None)

    def has_pod(self, csr: CsrObject) -> bool:
        """Whether the pod that asked still exists."""
        pod = self.pods.get(csr.pod)
        return pod is not None and pod["metadata"]["uid"] == csr.pod_uid


async def look_around(port: CsrPort, policy: SigningPolicy) -> Surroundings:
    """Read all CSRs of our signers, and the pods and the StatefulSet of the cluster."""
    namespace = policy.ref.namespace
    csrs, pods, stateful_set = await asyncio.gather(
        port.list((policy.node_signer, policy.client_signer)), port.pods(namespace), port.stateful_set(namespace)
    )
    return Surroundings(csrs, pods, stateful_set)


async def look_at(port: CsrPort, policy: SigningPolicy, name: str) -> Surroundings:
    """Read all CSRs of our signers, the StatefulSet, and of the pods the one that asked for the CSR of that name.

    Siblings are requests of that same pod. It is read by itself because a list of pods waits, on a server where other
    things are written meanwhile, for up to a tenth of a second until the server's cache has been told of them.
    """
    namespace = policy.ref.namespace
    csrs, stateful_set = await asyncio.gather(
        port.list((policy.node_signer, policy.client_signer)), port.stateful_set(namespace)
    )
    stamped = next((csr.pod for csr in csrs if csr.name == name), "")
    pod = await port.pod(namespace, stamped) if _POD.fullmatch(stamped) else None
    return Surroundings(csrs, () if pod is None else (pod,), stateful_set)


def facts_of(csr: CsrObject, around: Surroundings, policy: SigningPolicy, *, now: datetime) -> CsrFacts:
    """Return the facts of a CSR, its good siblings among them."""
    facts = _alone(csr, around, policy, now=now)
    if not csr.pod_uid:
        return facts
    siblings = (
        other
        for other in around.csrs
        if other.uid != csr.uid
        and other.pod_uid == csr.pod_uid
        and other.username in policy.accounts()
        and other.state in _OPEN
    )
    good = (other.name for other in siblings if passes_alone(_alone(other, around, policy, now=now), policy))
    return facts.model_copy(update={"good_siblings": tuple(sorted(good))})


def _alone(csr: CsrObject, around: Surroundings, policy: SigningPolicy, *, now: datetime) -> CsrFacts:
    request, decode_error = pki.decode_request(csr.request_pem)
    pod = around.pods.get(csr.pod)
    in_cluster, elsewhere = _same_key(csr, around, policy, key=request.key_sha256 if request else "")
    return CsrFacts(
        name=csr.name,
        uid=csr.uid,
        state=csr.state,
        created_at=csr.created_at,
        seen_at=now,
        signer_name=csr.signer_name,
        usages=csr.usages,
        expiration_seconds=csr.expiration_seconds,
        stamped_username=csr.username,
        stamped_pod=csr.pod,
        stamped_pod_uid=csr.pod_uid,
        request=request,
        decode_error=decode_error,
        request_sha256=pki.request_sha256(csr.request_pem),
        pod=_pod_facts(pod, around.stateful_set) if pod else None,
        replicas=(around.stateful_set or {}).get("spec", {}).get("replicas", 1) if around.stateful_set else None,
        same_key_in_cluster=in_cluster,
        same_key_elsewhere=elsewhere,
    )


def _same_key(
    csr: CsrObject, around: Surroundings, policy: SigningPolicy, *, key: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of other requests with this key: of another pod of the cluster, and of strangers."""
    inside, outside = [], []
    for other in around.csrs if key else ():
        if other.uid == csr.uid:
            continue
        decoded, _ = pki.decode_request(other.request_pem)
        if decoded is None or decoded.key_sha256 != key:
            continue
        if other.username not in policy.accounts():
            outside.append(other.name)
        elif other.pod_uid != csr.pod_uid:
            inside.append(other.name)
    return tuple(sorted(inside)), tuple(sorted(outside))


def _pod_facts(pod: Object, stateful_set: Object | None) -> PodFacts:
    meta = pod["metadata"]
    found = meta.get("labels") or {}
    name, account = meta["name"], pod.get("spec", {}).get("serviceAccountName", "")
    tail = name.rpartition("-")[2]
    is_client = name == CLIENT_POD and account == CLIENT_ACCOUNT
    return PodFacts(
        name=name,
        uid=meta["uid"],
        account=account,
        owner=_owner(meta, stateful_set),
        instance=found.get("app.kubernetes.io/instance", ""),
        managed_by=found.get("app.kubernetes.io/managed-by", ""),
        ordinal=int(tail) if tail.isdecimal() and not is_client else None,
    )


def _owner(meta: Object, stateful_set: Object | None) -> str:
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller"):
            name = f"{owner.get('kind')}/{owner.get('name')}"
            current = (stateful_set or {}).get("metadata", {}).get("uid")
            is_another = name == f"StatefulSet/{STATEFULSET}" and owner.get("uid") != current
            return f"{name} of an earlier uid" if is_another else name
    return ""
