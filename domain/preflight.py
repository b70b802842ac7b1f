"""What a deploy may do, decided before anything is created: facts and wishes to a plan or to all refusals.

Gathering the facts is `activities.cluster` and `activities.signing`.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.model import ClusterRef, ClusterSpec
from domain.nodes import INIT_TARGET
from domain.verdict import Reason, Verdict

#: certificates.k8s.io/v1 is served from 1.19 and the only one from 1.22; policy/v1 from 1.21.
OLDEST_SERVER = (1, 22)
#: Such as v1.34.2 or v1.30+ with a vendor's suffix.
_SERVER = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?![0-9])")


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)


class LiveSet(_Facts):
    """The StatefulSet as it is."""

    replicas: int
    ready: int
    database_image: str
    agent_image: str
    storage: str
    partition: int = 0


class Leftover(_Facts):
    """An object under our names. `is_ours`: labels, instance and annotation say so."""

    kind: str
    name: str
    is_ours: bool
    detail: str = ""


class DeployFacts(_Facts):
    """What ops sees."""

    server_version: str
    missing_rules: tuple[str, ...] = ()
    has_namespace: bool = True
    pod_security: str = ""
    has_storage_class: bool = True
    room: int = 0
    recorded: ClusterSpec | None = None
    live: LiveSet | None = None
    has_client_pod: bool = False
    volumes: tuple[str, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    other_instances: tuple[str, ...] = ()
    ca_fingerprint: str = ""
    policy_hash: str = ""


class SignerFacts(_Facts):
    """What the signer sees. `ca_fingerprint` empty: it holds no CA for this cluster."""

    missing_rules: tuple[str, ...] = ()
    ca_fingerprint: str = ""
    policy_hash: str = ""


class DeployPlan(_Facts):
    """What a deploy will do; with reasons against, nothing at all."""

    verdict: Verdict
    mode: Literal["first", "resume", "nothing"]
    spec: ClusterSpec
    expected_ca: str
    lines: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()


def plan_deploy(
    ref: ClusterRef,
    defaults: ClusterSpec,
    facts: DeployFacts,
    signer: SignerFacts,
    *,
    asked: dict[str, object],
) -> DeployPlan:
    """Decide what a deploy does.

    Args:
        ref: The cluster.
        defaults: Spec of a first deploy, already holding what was asked for.
        facts: What ops sees.
        signer: What the signer sees.
        asked: The arguments a person gave, by name; on an existing cluster each must equal the recorded spec.
    """
    recorded = facts.recorded
    # Where `init` goes is recorded with the objects themselves: before anything could send it.
    spec = recorded or defaults.model_copy(update={"init_target": INIT_TARGET})
    reasons = (
        *_machine(facts, signer),
        *_namespace(ref, facts),
        *_room(spec, facts),
        *_ownership(ref, facts),
        *_authority(facts, signer),
        *(_arguments(recorded, asked) if recorded else ()),
    )
    live = facts.live
    is_complete = recorded is not None and live is not None and live.ready >= live.replicas >= 1
    mode: Literal["first", "resume", "nothing"] = "first"
    if recorded is not None:
        mode = "nothing" if is_complete and facts.has_client_pod else "resume"
    return DeployPlan(
        verdict=Verdict(reasons=tuple(reasons)),
        mode=mode,
        spec=spec,
        expected_ca=_expected_ca(facts, signer),
        lines=_lines(ref, spec, mode),
        drift=drift(recorded, live),
    )


def _machine(facts: DeployFacts, signer: SignerFacts) -> list[Reason]:
    reasons: list[Reason] = []
    server = _SERVER.match(facts.server_version)
    if server is None or (int(server[1]), int(server[2])) < OLDEST_SERVER:
        found = facts.server_version or "no version"
        reasons.append(_reason("deploy.old-server", "Kubernetes", found, "v1.22 or newer (certificates.k8s.io/v1)"))
    for who, missing in (("ops", facts.missing_rules), ("signer", signer.missing_rules)):
        for rule in missing:
            reasons.append(
                _reason(
                    "deploy.missing-right",
                    f"rights of {who}",
                    f"no {rule}",
                    "it",
                    "apply the output of worker.py --print-installation",
                )
            )
    if facts.policy_hash != signer.policy_hash:
        reasons.append(
            _reason(
                "policy.differs",
                "signing policy",
                f"ops {facts.policy_hash[:12]}, signer {signer.policy_hash[:12]}",
                "the same crdbops.toml on both",
            )
        )
    return reasons


def _namespace(ref: ClusterRef, facts: DeployFacts) -> list[Reason]:
    if not facts.has_namespace:
        return [
            _reason(
                "deploy.no-namespace",
                "namespace",
                f"no {ref.namespace}",
                "it",
                "apply the output of worker.py --print-installation",
            )
        ]
    if facts.pod_security != "restricted":
        return [
            _reason(
                "deploy.pod-security",
                f"namespace {ref.namespace}",
                f"pod-security.kubernetes.io/enforce={facts.pod_security or 'not set'}",
                "restricted",
            )
        ]
    return []


def _room(spec: ClusterSpec, facts: DeployFacts) -> list[Reason]:
    reasons: list[Reason] = []
    if not facts.has_storage_class:
        reasons.append(_reason("deploy.no-storage-class", "storage class", f"no {spec.storage_class}", "it"))
    if facts.recorded is None and facts.room < spec.nodes:
        reasons.append(
            _reason(
                "deploy.no-room",
                "room in Kubernetes",
                f"room for {facts.room} pods of {spec.cpu} CPU and {spec.memory}",
                f"room for {spec.nodes}",
            )
        )
    return reasons


def _ownership(ref: ClusterRef, facts: DeployFacts) -> list[Reason]:
    reasons = [
        _reason("deploy.second-cluster", f"namespace {ref.namespace}", f"cluster {other}", f"none but {ref.cluster}")
        for other in facts.other_instances
    ]
    reasons += [
        _reason(
            "deploy.not-ours",
            f"{left.kind}/{left.name}",
            left.detail or "no label of ours",
            "managed by crdb-chatops, or absent",
            "remove or rename it; nothing that is not ours is touched",
        )
        for left in facts.leftovers
        if not left.is_ours
    ]
    if facts.live is not None and facts.recorded is None:
        reasons.append(
            _reason("deploy.no-record", "StatefulSet/cockroachdb", "no recorded spec", "crdbops.internal/spec")
        )
    if facts.live is None and facts.volumes:
        reasons.append(
            _reason(
                "deploy.leftover-volumes",
                "volumes",
                ", ".join(facts.volumes),
                "none without a StatefulSet of ours",
                "their data belongs to an earlier cluster: keep them elsewhere or delete them by hand",
            )
        )
    return reasons


def _authority(facts: DeployFacts, signer: SignerFacts) -> list[Reason]:
    published, held = facts.ca_fingerprint, signer.ca_fingerprint
    if published and not held:
        return [_reason("ca.missing", "CA key", "none", f"the key of published CA {published[:12]}")]
    if published and held != published:
        return [_reason("ca.differs", "CA", f"signer holds {held[:12]}", f"the published {published[:12]}")]
    if not published and not held and (facts.live or facts.volumes):
        return [_reason("ca.missing", "CA key", "none, and nodes or volumes exist", "the key they were signed with")]
    return []


def _expected_ca(facts: DeployFacts, signer: SignerFacts) -> str:
    """Return what the signer is told to find: a fingerprint, or "none" only where nothing of the cluster exists.

    Where nodes or volumes exist and the published certificate was lost, the key that the signer held at preflight is
    named, so that it is published again and never replaced by a new one ("unknown" where it holds none: refused).
    """
    if facts.ca_fingerprint:
        return facts.ca_fingerprint
    if facts.live is None and not facts.volumes:
        return "none"
    return signer.ca_fingerprint or "unknown"


def _arguments(recorded: ClusterSpec, asked: dict[str, object]) -> list[Reason]:
    table = (("nodes", "deploy.use-scale", "scale"), ("version", "deploy.use-upgrade", "upgrade"))
    reasons: list[Reason] = []
    for name, code, verb in table:
        wanted = asked.get(name)
        if wanted is not None and wanted != getattr(recorded, name):
            hint = f"the cluster exists: use /crdb {verb} {wanted}"
            reasons.append(_reason(code, name, str(wanted), f"{getattr(recorded, name)} as recorded", hint))
    storage = asked.get("storage")
    if storage is not None and storage != recorded.storage:
        reasons.append(
            _reason("deploy.storage-fixed", "storage", str(storage), f"{recorded.storage} as recorded", "not changed")
        )
    return reasons


def drift(recorded: ClusterSpec | None, live: LiveSet | None) -> tuple[str, ...]:
    """Say where a StatefulSet is not as its recorded spec says."""
    if recorded is None or live is None:
        return ()
    table = (
        ("nodes", recorded.nodes, live.replicas),
        ("database image", recorded.database_image, live.database_image),
        ("agent image", recorded.agent_image, live.agent_image),
        ("storage", recorded.storage, live.storage),
    )
    return tuple(f"{name}: recorded {was}, found {now}" for name, was, now in table if was != now)


def _lines(ref: ClusterRef, spec: ClusterSpec, mode: str) -> tuple[str, ...]:
    if mode == "nothing":
        return (f"nothing: {ref.cluster} stands with {spec.nodes} nodes of {spec.version}",)
    return (
        "check Kubernetes, rights, storage, room and leftovers; refuse before anything is made",
        f"make or find the CA of {ref.cluster}; its key stays with the signer",
        f"apply services, accounts, budget, {spec.nodes} nodes of {spec.version} with {spec.storage} each",
        f"wait for {spec.nodes} node certificates and root's, each approved by a person",
        "wait until all nodes run and their volumes are bound",
        "send init to node 0 once; this cannot be undone",
        "wait until all nodes are ready, compare their cluster ids, ask SELECT 1",
    )


def _reason(code: str, field: str, found: str, expected: str, hint: str = "") -> Reason:
    return Reason(code=code, field=field, found=found, expected=expected, hint=hint)
