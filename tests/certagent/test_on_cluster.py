"""certagent against the dev cluster's API server: a pod's bound token, and a pod of the real image.

Signing is done here with an authority of the test and the administrator's rights; the real signer has its own tests.
"""

import base64
import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.cluster import Cluster
from devtools.images import agent_image
from tests.certagent.authority import Authority, Wish
from tests.certagent.harness import FAST, NAMES, Run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


class Namespace:
    """A namespace of its own, with an account that may do what the installed role gives."""

    def __init__(self, cluster: Cluster, authority: Authority) -> None:
        self.cluster, self.authority = cluster, authority
        self.name = f"certagent-{secrets.token_hex(4)}"
        self.binding = f"{self.name}.shop.certagent"
        rule = {
            "apiGroups": ["certificates.k8s.io"],
            "resources": ["certificatesigningrequests"],
            "verbs": ["create", "get", "watch"],
        }
        subject = {"kind": "ServiceAccount", "name": "cockroachdb", "namespace": self.name}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.binding}
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        rbac = "rbac.authorization.k8s.io/v1"
        self.apply("v1", "Namespace", self.name, metadata={"labels": labels})
        self.apply("v1", "ServiceAccount", "cockroachdb", is_namespaced=True)
        self.apply("v1", "ConfigMap", "shop-ca", is_namespaced=True, data={"ca.crt": authority.pem.decode()})
        self.apply(rbac, "ClusterRole", self.binding, rules=[rule])
        self.apply(rbac, "ClusterRoleBinding", self.binding, roleRef=role, subjects=[subject])

    def apply(self, version: str, kind: str, name: str, *, is_namespaced: bool = False, **rest: Any) -> None:
        metadata = {"name": name} | rest.pop("metadata", {}) | ({"namespace": self.name} if is_namespaced else {})
        body = {"apiVersion": version, "kind": kind, "metadata": metadata} | rest
        self.cluster.kubectl("apply", "-f", "-", given=json.dumps(body))

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments)

    def until(self, *what: str, seconds: int = 120) -> None:
        self.kubectl("wait", *what, f"--timeout={seconds}s")

    def issue(self, csr: str) -> None:
        self.cluster.kubectl("certificate", "approve", csr)
        found = json.loads(self.cluster.kubectl("get", "csr", csr, "-o", "json"))
        request = base64.b64decode(found["spec"]["request"])
        certificate = self.authority.issue_for(request, Wish(names=NAMES, addresses=("127.0.0.1",)))
        found["status"]["certificate"] = base64.b64encode(certificate).decode()
        self.cluster.kubectl("replace", "--raw", f"{CSRS}/{csr}/status", "-f", "-", given=json.dumps(found))

    def csrs(self) -> list[str]:
        listed = json.loads(self.cluster.kubectl("get", "csr", "-o", "json"))["items"]
        return [csr["metadata"]["name"] for csr in listed if csr["metadata"]["name"].startswith(f"{self.name}.")]

    def close(self) -> None:
        self.cluster.kubectl("delete", "namespace", self.name, "--wait=false")
        self.cluster.kubectl("delete", "clusterrolebinding,clusterrole", self.binding)
        for csr in self.csrs():
            self.cluster.kubectl("delete", "csr", csr)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    found = Cluster("dev")
    was_up = found.is_up()
    found.up()
    yield found
    if not was_up:
        found.down()


@pytest.fixture
def namespace(cluster: Cluster, authority: Authority) -> Iterator[Namespace]:
    made = Namespace(cluster, authority)
    yield made
    made.close()


def _pod(namespace: Namespace, *, image: str, arguments: list[str]) -> dict[str, Any]:
    """Return a pod's spec with certagent as its init container, as the manifest builder makes it."""
    security = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = [
        {"name": "store", "mountPath": "/cockroach/cockroach-data"},
        {"name": "certs", "mountPath": "/cockroach/cockroach-certs"},
        {"name": "ca", "mountPath": "/crdbops/ca"},
        {"name": "podinfo", "mountPath": "/crdbops/podinfo"},
        {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
    ]
    asked = {"fieldPath": "metadata.annotations['crdbops.internal/ask-again']"}
    token = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    uid = {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    container = {"image": image, "imagePullPolicy": "Never", "securityContext": security}
    certagent = {"name": "certagent", "args": arguments, "env": [uid], "volumeMounts": mounts}
    return {
        "serviceAccountName": "cockroachdb",
        "automountServiceAccountToken": False,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [container | certagent],
        "containers": [
            container | {"name": "db", "command": ["sleep", "600"], "volumeMounts": [mounts[0], mounts[1]]},
        ],
        "volumes": [
            {"name": "store", "emptyDir": {}},
            {"name": "certs", "emptyDir": {"medium": "Memory"}},
            {"name": "ca", "configMap": {"name": "shop-ca"}},
            {"name": "podinfo", "downwardAPI": {"items": [{"path": "ask-again", "fieldRef": asked}]}},
            {"name": "token", "projected": {"sources": token}},
        ],
    }


def _arguments(namespace: Namespace, *, uid: str) -> list[str]:
    return [
        "--type=node",
        "--cluster=shop",
        f"--namespace={namespace.name}",
        "--pod=cockroachdb-0",
        f"--pod-uid={uid}",
        "--signer-name=crdbops.internal/node",
        *(f"--dns-name={name}" for name in NAMES),
        "--ip-address=127.0.0.1",
        "--ca-file=/crdbops/ca/ca.crt",
        "--certs-dir=/cockroach/cockroach-certs",
        "--store-dir=/cockroach/cockroach-data",
        "--ask-again-file=/crdbops/podinfo/ask-again",
    ]


def _start(namespace: Namespace, root: Path, *, uid: str, token: str) -> Run:
    config = json.loads(namespace.cluster.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
    (root / "api-ca.crt").write_bytes(base64.b64decode(authority))
    (root / "token").write_text(token)
    (root / "ca.crt").write_bytes(namespace.authority.pem)
    (root / "store").mkdir()
    places = {
        "ca-file": "ca.crt",
        "certs-dir": "certs",
        "store-dir": "store",
        "ask-again-file": "ask-again",
        "termination-log": "termination",
        "token-file": "token",
        "api-ca-file": "api-ca.crt",
    }
    moved = [f"--{option}={root / name}" for option, name in places.items()]
    return Run([*_arguments(namespace, uid=uid), *moved, f"--api-server={namespace.cluster.server}"], pace=FAST)


def test_a_bound_token_asks_waits_and_gets_its_certificate(namespace: Namespace, tmp_path: Path) -> None:
    spec = _pod(namespace, image="local.invalid/never:started", arguments=[])
    spec["nodeSelector"] = {"nobody": "here"}
    namespace.apply("v1", "Pod", "cockroachdb-0", is_namespaced=True, spec=spec)
    uid = namespace.kubectl("get", "pod", "cockroachdb-0", "-o", "jsonpath={.metadata.uid}")
    bound = ("--bound-object-kind=Pod", "--bound-object-name=cockroachdb-0")
    token = namespace.kubectl("create", "token", "cockroachdb", *bound).strip()

    run = _start(namespace, tmp_path, uid=uid, token=token)
    name = f"{namespace.name}.node.cockroachdb-0"
    run.log.until("waiting")
    stamped = json.loads(namespace.cluster.kubectl("get", "csr", name, "-o", "json"))["spec"]
    run.log.until("waiting", times=4)  # past the end of two watches
    namespace.issue(name)

    assert run.exit_code() == 0
    assert stamped["username"] == f"system:serviceaccount:{namespace.name}:cockroachdb"
    assert stamped["extra"]["authentication.kubernetes.io/pod-uid"] == [uid]
    assert sorted(path.name for path in (tmp_path / "certs").iterdir()) == ["ca.crt", "node.crt", "node.key"]
    assert not {"watch dropped", "watch expired", "api call failed"} & set(run.log.events())
    assert "csr of another pod" not in run.log.events()


def test_a_real_pod_is_denied_asked_again_and_started(namespace: Namespace) -> None:
    image = agent_image()
    namespace.cluster.load_image(image.archive)
    spec = _pod(namespace, image=image.ref, arguments=_arguments(namespace, uid="$(POD_UID)"))
    name = f"{namespace.name}.node.cockroachdb-0"

    namespace.apply("v1", "Pod", "cockroachdb-0", is_namespaced=True, spec=spec)
    namespace.until("--for=jsonpath={.status.initContainerStatuses[0].started}=true", "pod/cockroachdb-0")
    asked = _asked_in_log(namespace)
    assert next(asked) == name
    namespace.cluster.kubectl("certificate", "deny", name)
    namespace.kubectl("annotate", "pod", "cockroachdb-0", "crdbops.internal/ask-again=first")
    again = next(asked)
    namespace.issue(again)
    assert list(asked) == []
    namespace.until("--for=condition=Ready", "pod/cockroachdb-0")

    log = namespace.kubectl("logs", "cockroachdb-0", "-c", "certagent")
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert again.startswith(f"{name}.")
    assert {"csr denied", "asked again", "certificate issued", "files written"} <= set(events)
    state = namespace.kubectl("get", "pod", "cockroachdb-0", "-o", "jsonpath={.status.initContainerStatuses[0]}")
    assert json.loads(state)["restartCount"] == 0
    assert json.loads(state)["state"]["terminated"].get("message", "") == ""


def _asked_in_log(namespace: Namespace) -> Iterator[str]:
    """Follow certagent's log and give the name of each CSR that it asks with."""
    command = [str(namespace.cluster.kubectl_path), "--kubeconfig", str(namespace.cluster.kubeconfig)]
    command += ["-n", namespace.name, "logs", "--follow", "cockroachdb-0", "-c", "certagent"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "csr asked":
                yield event["csr"]
        process.wait()
