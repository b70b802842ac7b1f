"""Certificates, configuration, kubeconfigs and archives of a dev cluster, without one."""

import json
import stat
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from devtools.cluster import addons, archive, config, kubeconfig, pki
from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import PAUSE_IMAGE, PROVISIONER, Layout
from devtools.cluster.startup import is_node_ready, is_pod_ready

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.of("dev", state=tmp_path)


def test_every_certificate_is_signed_by_the_ca_and_fits_its_key(layout: Layout) -> None:
    pki.ensure(layout.pki, node=layout.node, now=NOW)

    ca = load(layout.pki / "ca.crt")
    for pair in pki.pairs(layout.node):
        certificate = load(layout.pki / f"{pair.file}.crt")
        key = serialization.load_pem_private_key((layout.pki / f"{pair.file}.key").read_bytes(), password=None)
        certificate.verify_directly_issued_by(ca)
        assert certificate.public_key() == key.public_key()


def test_keys_are_for_their_owner_alone(layout: Layout) -> None:
    pki.ensure(layout.pki, node=layout.node, now=NOW)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in layout.pki.glob("*.key")}
    assert modes == {0o600}


def test_api_server_is_known_by_every_name_that_it_is_called_by(layout: Layout) -> None:
    pki.ensure(layout.pki, node=layout.node, now=NOW)

    names = load(layout.pki / "apiserver.crt").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", "10.231.0.2", "10.232.0.1"}


def test_nothing_is_made_again_while_all_of_it_lives(layout: Layout) -> None:
    assert pki.ensure(layout.pki, node=layout.node, now=NOW) is True
    before = {path.name: path.read_bytes() for path in layout.pki.iterdir()}

    assert pki.ensure(layout.pki, node=layout.node, now=NOW) is False

    assert {path.name: path.read_bytes() for path in layout.pki.iterdir()} == before


def test_certificates_near_their_end_are_renewed_under_the_same_ca(layout: Layout) -> None:
    pki.ensure(layout.pki, node=layout.node, now=NOW)
    before = {name: (layout.pki / name).read_bytes() for name in ("ca.crt", "sa.key", "admin.crt")}

    pki.ensure(layout.pki, node=layout.node, now=NOW + pki.LIFETIME - timedelta(days=1))

    after = {name: (layout.pki / name).read_bytes() for name in before}
    assert [name for name in before if before[name] != after[name]] == ["admin.crt"]


def test_lost_key_is_made_again(layout: Layout) -> None:
    pki.ensure(layout.pki, node=layout.node, now=NOW)
    (layout.pki / "scheduler.key").unlink()

    assert pki.ensure(layout.pki, node=layout.node, now=NOW) is True
    assert (layout.pki / "scheduler.key").exists()


def test_every_file_that_a_program_is_told_of_is_one_that_is_written(layout: Layout) -> None:
    pki.ensure(layout.pki, node=layout.node, now=NOW)
    written = {str(layout.conf / name) for name in config.files(layout)}
    written |= {str(layout.conf / f"{name}.kubeconfig") for name in config.KUBECONFIGS}
    written |= {str(path) for path in layout.pki.iterdir()}
    programs = config.programs(layout, program=Path("/hyper"))

    words = [word.rpartition("=")[2] for each in programs for word in each.argv]

    told = {word for word in words if word.startswith((f"{layout.conf}/", f"{layout.pki}/"))}
    assert told
    assert told <= written


def test_containerd_and_kubelet_agree(layout: Layout) -> None:
    files = config.files(layout)

    containerd = tomllib.loads(files["containerd.toml"])
    kubelet = json.loads(files["kubelet.json"])

    assert kubelet["containerRuntimeEndpoint"] == f"unix://{containerd['grpc']['address']}"
    assert containerd["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"] == PAUSE_IMAGE
    assert kubelet["cgroupRoot"] == layout.cgroup
    assert kubelet["failCgroupV1"] is False


def test_provisioner_serves_the_default_class(layout: Layout) -> None:
    objects = addons.manifests(program=Path("/hyper"))
    programs = {each.name: each.argv for each in config.programs(layout, program=Path("/hyper"))}

    classes = [each for each in objects if each["kind"] == "StorageClass"]

    assert [each["provisioner"] for each in classes] == [PROVISIONER]
    assert classes[0]["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert f"--name={PROVISIONER}" in programs["local-provisioner"]


def test_kubeconfig_with_a_token_is_for_its_owner_alone(layout: Layout) -> None:
    pki.ensure(layout.pki, node=layout.node, now=NOW)
    path = layout.state / "some" / "ops.kubeconfig"

    kubeconfig.with_token(
        path, server="https://127.0.0.1:1", pki=layout.pki, user_name="ops", token="abc", namespace="ns"
    )

    content = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert content["users"] == [{"name": "ops", "user": {"token": "abc"}}]
    assert content["contexts"][0]["context"]["namespace"] == "ns"


def test_archive_is_read_as_it_was_written_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one.tar", "two.tar"):
        archive.write(tmp_path / name, name="local.invalid/x:1", files={"/x": (b"x", 0o755)}, entrypoint=["/x"])

    images = archive.read(tmp_path / "one.tar")

    assert [image.name for image in images] == ["local.invalid/x:1"]
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_file_that_is_no_archive_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a tar file")

    with pytest.raises(ClusterError, match=r"notes.txt is no OCI image archive"):
        archive.read(tmp_path / "notes.txt")


def node(*, heartbeat: datetime, status: str = "True") -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat.isoformat()}
    return {"status": {"conditions": [condition]}}


def test_node_is_ready_by_the_word_of_this_start_only() -> None:
    assert is_node_ready([node(heartbeat=NOW)], since=NOW)
    assert not is_node_ready([node(heartbeat=NOW - timedelta(seconds=1))], since=NOW)
    assert not is_node_ready([node(heartbeat=NOW, status="False")], since=NOW)
    assert not is_node_ready([], since=NOW)


def test_pod_is_ready_in_a_container_of_this_start_only() -> None:
    def pod(state: dict[str, Any]) -> dict[str, Any]:
        return {"status": {"containerStatuses": [{"ready": True, "state": state}]}}

    old = (NOW - timedelta(minutes=1)).isoformat()
    assert is_pod_ready([pod({"running": {"startedAt": NOW.isoformat()}})], since=NOW)
    assert not is_pod_ready([pod({"running": {"startedAt": old}})], since=NOW)
    assert not is_pod_ready([pod({"waiting": {}})], since=NOW)
