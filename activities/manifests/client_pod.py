"""The client pod: bare, stateless, holds root's certificate, and every CLI call runs in it by exec."""

from __future__ import annotations

from typing import Any

from activities.manifests.labels import CLIENT_APP, SPEC_HASH, metadata, spec_hash
from activities.manifests.pod import (
    CERTS_MOUNT,
    CONTAINER_SECURITY,
    POD_SECURITY,
    TMP_MOUNT,
    certagent,
    volumes,
)
from domain.certificate import SigningPolicy, profile_of
from domain.model import CLIENT_ACCOUNT, CLIENT_POD, ClusterRef, ClusterSpec

CLIENT_CONTAINER = "cockroachdb-client"
#: Some processes of the CLI run beside each other, each of 100 MiB and more; they idle most of the time.
_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}


def client_pod(ref: ClusterRef, spec: ClusterSpec, policy: SigningPolicy, *, operation_id: str) -> dict[str, Any]:
    """Build the client pod."""
    pod = {
        "serviceAccountName": CLIENT_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "restartPolicy": "Always",
        "securityContext": POD_SECURITY,
        "initContainers": [
            certagent(
                ref,
                spec,
                profile_of(policy, kind="client", pod=CLIENT_POD, user="root"),
                own=["--user=root", f"--secret={ref.client_secret}"],
                resources=_RESOURCES,
                mounts=[],
            )
        ],
        "containers": [
            {
                "name": CLIENT_CONTAINER,
                "image": spec.database_image,
                "imagePullPolicy": "IfNotPresent",
                # As the documented client pod does: 2^31 seconds are 68 years.
                "command": ["sleep", "2147483648"],
                "resources": _RESOURCES,
                "securityContext": CONTAINER_SECURITY,
                "volumeMounts": [CERTS_MOUNT, TMP_MOUNT],
            }
        ],
        "volumes": volumes(ref),
    }
    meta = metadata(ref, CLIENT_POD, operation_id=operation_id, app=CLIENT_APP)
    meta["annotations"][SPEC_HASH] = spec_hash(pod)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod}
