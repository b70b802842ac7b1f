"""What pods, volumes and accounts get from a dev cluster that is up."""

import json
import stat
import subprocess
import time
from pathlib import Path

import pytest

from devtools.cluster import Cluster, ClusterError, archive
from devtools.cluster.layout import DNS_ADDRESS
from tests.cluster.objects import PROBE_IMAGE, apply, claim, in_pod, restricted_pod, wait_ready
from tests.eventually import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

READ_STATUS = (
    'while read line; do case $line in Seccomp:*|Uid:*|CapEff:*) echo "$line";; esac; done < /proc/self/status'
)
ASK_DNS = """
import socket
name = b"".join(bytes([len(label)]) + label for label in b"kubernetes.default.svc.cluster.local".split(b".")) + b"\\0"
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.settimeout(10)
asked.sendto(b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + name + b"\\0\\1\\0\\1", ("%s", 53))
print(socket.inet_ntoa(asked.recv(512)[-4:]))
"""


def test_restricted_pod_of_user_1000_writes_on_a_local_volume(cluster: Cluster, namespace: str) -> None:
    apply(cluster, claim(namespace, "data"), restricted_pod(namespace, "writer", claim_name="data"))
    wait_ready(cluster, namespace, "writer")

    in_pod(cluster, namespace, "writer", "echo kept > /data/file")
    status = in_pod(cluster, namespace, "writer", READ_STATUS)
    volume = json.loads(cluster.kubectl("get", "pv", "-o", "json"))["items"][0]

    folder = Path(volume["spec"]["local"]["path"])
    assert (folder / "file").read_text() == "kept\n"
    assert (folder / "file").stat().st_uid == 1000
    assert folder.stat().st_gid == 1000
    assert "Seccomp: 2" in " ".join(status.split())
    assert "CapEff: 0000000000000000" in " ".join(status.split())
    assert volume["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == "crdbops.internal/local"


def test_deleting_a_claim_removes_its_volume_and_folder(cluster: Cluster, namespace: str) -> None:
    apply(cluster, claim(namespace, "gone"), restricted_pod(namespace, "user", claim_name="gone"))
    wait_ready(cluster, namespace, "user")
    name = cluster.kubectl("get", "pvc", "gone", f"--namespace={namespace}", "-o", "jsonpath={.spec.volumeName}")
    folder = cluster.state_dir / "volumes" / name
    assert folder.is_dir()

    cluster.kubectl("delete", "pod/user", "pvc/gone", f"--namespace={namespace}")

    eventually(lambda: not folder.exists())
    eventually(lambda: name not in cluster.kubectl("get", "pv", "-o", "name"))


def test_claim_waits_for_the_first_pod_that_uses_it(cluster: Cluster, namespace: str) -> None:
    apply(cluster, claim(namespace, "waiting"))

    def events() -> str:
        return cluster.kubectl("get", "events", f"--namespace={namespace}", "-o", "jsonpath={.items[*].reason}")

    eventually(lambda: "WaitForFirstConsumer" in events())
    phase = cluster.kubectl("get", "pvc", "waiting", f"--namespace={namespace}", "-o", "jsonpath={.status.phase}")
    assert phase == "Pending"


def test_restricted_namespace_refuses_a_pod_that_may_be_root(cluster: Cluster, namespace: str) -> None:
    pod = restricted_pod(namespace, "root", claim_name="none")
    del pod["spec"]["securityContext"]["runAsNonRoot"]

    with pytest.raises(ClusterError, match="violates PodSecurity"):
        apply(cluster, pod)


def test_image_is_imported_once_for_one_content(cluster: Cluster, probe_archive: Path) -> None:
    images = cluster.load_image(probe_archive)

    assert [(image.name, image.was_imported) for image in images] == [(PROBE_IMAGE, False)]


def test_image_of_other_content_under_the_same_name_replaces_it(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    name = "local.invalid/changing:1"
    archive.write(path, name=name, files={"/a": (b"one", 0o644)}, entrypoint=["/a"])
    first = cluster.load_image(path)
    archive.write(path, name=name, files={"/a": (b"two", 0o644)}, entrypoint=["/a"])

    second = cluster.load_image(path)
    third = cluster.load_image(path)

    assert [first[0].was_imported, second[0].was_imported, third[0].was_imported] == [True, True, False]
    assert second[0].digest != first[0].digest


def test_account_has_its_own_kubeconfig_and_no_right_that_was_not_given(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    cluster.kubectl("create", "serviceaccount", "ops", f"--namespace={namespace}")

    path = cluster.service_account_kubeconfig(namespace, "ops", tmp_path / "ops.kubeconfig")

    kubectl = [str(cluster.kubectl_path), f"--kubeconfig={path}"]
    whoami = subprocess.run([*kubectl, "auth", "whoami"], capture_output=True, text=True, check=True).stdout
    secrets = subprocess.run([*kubectl, "get", "secrets"], capture_output=True, text=True, check=False)
    assert f"system:serviceaccount:{namespace}:ops" in whoami
    assert secrets.returncode == 1
    assert "Forbidden" in secrets.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_dns_knows_services_by_name(cluster: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    code = cluster.exec_node(["/usr/bin/env", "python3", "-c", ASK_DNS % DNS_ADDRESS])

    assert code == 0
    assert capfd.readouterr().out.strip() == "10.232.0.1"


def test_up_on_a_running_cluster_does_nothing_and_is_quick(cluster: Cluster) -> None:
    log = (cluster.log_dir / "node.log").read_bytes()
    started = time.monotonic()

    cluster.up()

    assert time.monotonic() - started < 3
    assert (cluster.log_dir / "node.log").read_bytes() == log


def test_status_tells_where_everything_is(cluster: Cluster) -> None:
    status = cluster.status()

    assert status.state == "up"
    assert status.kubeconfig == cluster.kubeconfig
    assert cluster.server == f"https://127.0.0.1:{status.port}"
    assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600
