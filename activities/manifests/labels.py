"""Names, labels and annotations of ours: what every object of a cluster carries, and how one is known as ours.

Names that other layers speak of as well stand in `domain.model`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from domain.model import STATEFULSET, ClusterRef

MANAGED_BY: Final = "crdb-chatops"
SPEC: Final = "crdbops.internal/spec"
OPERATION: Final = "crdbops.internal/operation"
ASK_AGAIN: Final = "crdbops.internal/ask-again"
#: Of a volume claim: the id of the node that left it, since the database forgets where a gone node was.
NODE_ID: Final = "crdbops.internal/node-id"
#: Of the client pod: the hash of the spec it was made from, since the server adds defaults to what it keeps.
SPEC_HASH: Final = "crdbops.internal/spec-hash"

BUDGET: Final = "cockroachdb-budget"
CLIENT_ROLE: Final = "cockroachdb-client"
CERTAGENT_ROLE: Final = "crdbops-certagent"
INSTANCE: Final = "app.kubernetes.io/instance"


def labels(ref: ClusterRef, *, app: str = "") -> dict[str, str]:
    """Return the labels of an object; `app` is the documented selector of nodes or client."""
    ours = {
        "app.kubernetes.io/name": "cockroachdb",
        INSTANCE: ref.cluster,
        "app.kubernetes.io/managed-by": MANAGED_BY,
        "app.kubernetes.io/part-of": MANAGED_BY,
    }
    return {"app": app, **ours} if app else ours


def node_selector(ref: ClusterRef) -> dict[str, str]:
    """Return what selects the node pods."""
    return {"app": STATEFULSET, INSTANCE: ref.cluster}


def selector_text(ref: ClusterRef) -> str:
    """Return the label selector of every object of the cluster."""
    return f"app.kubernetes.io/managed-by={MANAGED_BY},{INSTANCE}={ref.cluster}"


def metadata(
    ref: ClusterRef, name: str, *, operation_id: str, app: str = "", is_namespaced: bool = True
) -> dict[str, Any]:
    """Return an object's metadata with our labels and the operation that made it."""
    place = {"namespace": ref.namespace} if is_namespaced else {}
    return {
        "name": name,
        **place,
        "labels": labels(ref, app=app),
        "annotations": {OPERATION: operation_id},
    }


def why_not_ours(item: dict[str, Any], ref: ClusterRef) -> str:
    """Return what speaks against an object being ours, or ""."""
    meta = item.get("metadata", {})
    found = meta.get("labels") or {}
    wanted = labels(ref)
    wrong = [f"label {key}={found.get(key, 'not set')}" for key, value in wanted.items() if found.get(key) != value]
    if OPERATION not in (meta.get("annotations") or {}):
        wrong.append(f"no annotation {OPERATION}")
    return ", ".join(wrong)


def spec_hash(spec: dict[str, Any]) -> str:
    """Return the hash by which a pod's spec is compared with what it was made from."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


CLIENT_APP: Final = "cockroachdb-client"
NODE_APP: Final = STATEFULSET
