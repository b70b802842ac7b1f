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
    pki.ensure(layout.pki, nodes=[layout], now=NOW)

    ca = load(layout.pki / "ca.crt")
    for pair in pki.pairs([layout]):
        certificate = load(layout.pki / f"{pair.file}.crt")
        key = serialization.load_pem_private_key((layout.pki / f"{pair.file}.key").read_bytes(), password=None)
        certificate.verify_directly_issued_by(ca)
        assert certificate.public_key() == key.public_key()


def test_keys_are_for_their_owner_alone(layout: Layout) -> None:
    pki.ensure(layout.pki, nodes=[layout], now=NOW)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in layout.pki.glob("*.key")}
    assert modes == {0o600}


def test_api_server_is_known_by_every_name_that_it_is_called_by(layout: Layout) -> None:
    pki.ensure(layout.pki, nodes=[layout], now=NOW)

    names = load(layout.pki / "apiserver.crt").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", "10.231.0.2", "10.232.0.1"}


def test_nothing_is_made_again_while_all_of_it_lives(layout: Layout) -> None:
    assert pki.ensure(layout.pki, nodes=[layout], now=NOW) is True
    before = {path.name: path.read_bytes() for path in layout.pki.iterdir()}

    assert pki.ensure(layout.pki, nodes=[layout], now=NOW) is False

    assert {path.name: path.read_bytes() for path in layout.pki.iterdir()} == before


def test_certificates_near_their_end_are_renewed_under_the_same_ca(layout: Layout) -> None:
    pki.ensure(layout.pki, nodes=[layout], now=NOW)
    before = {name: (layout.pki / name).read_bytes() for name in ("ca.crt", "sa.key", "admin.crt")}

    pki.ensure(layout.pki, nodes=[layout], now=NOW + pki.LIFETIME - timedelta(days=1))

    after = {name: (layout.pki / name).read_bytes() for name in before}
    assert [name for name in before if before[name] != after[name]] == ["admin.crt"]


def test_lost_key_is_made_again(layout: Layout) -> None:
    pki.ensure(layout.pki, nodes=[layout], now=NOW)
    (layout.pki / "scheduler.key").unlink()

    assert pki.ensure(layout.pki, nodes=[layout], now=NOW) is True
    assert (layout.pki / "scheduler.key").exists()


@pytest.mark.parametrize("number", [1, 3])
def test_every_file_that_a_program_is_told_of_is_one_that_is_written(layout: Layout, number: int) -> None:
    pki.ensure(layout.pki, nodes=layout.all()[:3], now=NOW)
    node = layout.at(number)
    written = {str(node.conf / name) for name in config.files(node)}
    written |= {str(node.conf / f"{name}.kubeconfig") for name in config.kubeconfigs(node)}
    written |= {str(path) for path in layout.pki.iterdir()}
    programs = config.programs(node, program=Path("/hyper"))

    words = [word.rpartition("=")[2] for each in programs for word in each.argv]
    words += [word for word in json.loads(config.files(node)["kubelet.json"]).values() if isinstance(word, str)]

    told = {word for word in words if word.startswith((f"{node.conf}/", f"{layout.pki}/"))}
    assert told
    assert told <= written
    assert {pair for pair, _ in config.kubeconfigs(node).values()} <= {path.stem for path in layout.pki.glob("*.crt")}


def test_control_plane_is_the_first_nodes_alone(layout: Layout) -> None:
    names = [each.name for each in config.programs(layout.at(2), program=Path("/hyper"))]

    assert names == ["containerd", "kubelet", "kube-proxy"]


def test_nodes_share_no_name_address_or_folder(layout: Layout) -> None:
    nodes = layout.all()

    own = [(node.node, node.address, node.pod_network, node.cgroup, node.conf, node.disk, node.log) for node in nodes]
    assert all(len(set(values)) == len(nodes) for values in zip(*own, strict=True))
    assert {node.pki for node in nodes} == {layout.pki}
    assert {node.volumes for node in nodes} == {layout.volumes}


def test_node_that_joins_gets_certificates_and_others_keep_theirs(layout: Layout) -> None:
    pki.ensure(layout.pki, nodes=[layout], now=NOW)
    before = {path.name: path.read_bytes() for path in layout.pki.iterdir()}

    assert pki.ensure(layout.pki, nodes=layout.all()[:2], now=NOW) is True

    after = {path.name: path.read_bytes() for path in layout.pki.iterdir()}
    assert {name: after[name] for name in before} == before
    assert {name for name in after.keys() - before.keys() if name.endswith(".crt")} == {
        "kubelet-server-2.crt",
        "kubelet-client-2.crt",
    }


def test_containerd_and_kubelet_agree(layout: Layout) -> None:
    files = config.files(layout)

    containerd = tomllib.loads(files["containerd.toml"])
    kubelet = json.loads(files["kubelet.json"])

    assert kubelet["containerRuntimeEndpoint"] == f"unix://{containerd['grpc']['address']}"
    assert containerd["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"] == PAUSE_IMAGE
    assert kubelet["cgroupRoot"] == layout.cgroup
    assert kubelet["failCgroupV1"] is False


def test_provisioner_serves_the_default_class(layout: Layout) -> None:
    objects = addons.manifests(program=Path("/hyper"), node=layout.node)
    programs = {each.name: each.argv for each in config.programs(layout, program=Path("/hyper"))}

    classes = [each for each in objects if each["kind"] == "StorageClass"]

    assert [each["provisioner"] for each in classes] == [PROVISIONER]
    assert classes[0]["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert f"--name={PROVISIONER}" in programs["local-provisioner"]


def test_kubeconfig_with_a_token_is_for_its_owner_alone(layout: Layout) -> None:
    pki.ensure(layout.pki, nodes=[layout], now=NOW)
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


def node(*, heartbeat: datetime, status: str = "True", name: str = "dev-node") -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat.isoformat()}
    return {"metadata": {"name": name}, "status": {"conditions": [condition]}}


def test_node_is_ready_by_its_own_word_of_this_start_only() -> None:
    def is_ready(*nodes: dict[str, Any]) -> bool:
        return is_node_ready([*nodes], name="dev-node", since=NOW)

    assert is_ready(node(heartbeat=NOW))
    assert not is_ready(node(heartbeat=NOW - timedelta(seconds=1)))
    assert not is_ready(node(heartbeat=NOW, status="False"))
    assert not is_ready(node(heartbeat=NOW, name="dev-node-2"))
    assert not is_ready()


def test_pod_is_ready_in_a_container_of_this_start_only() -> None:
    def pod(state: dict[str, Any]) -> dict[str, Any]:
        return {"status": {"containerStatuses": [{"ready": True, "state": state}]}}

    old = (NOW - timedelta(minutes=1)).isoformat()
    assert is_pod_ready([pod({"running": {"startedAt": NOW.isoformat()}})], since=NOW)
    assert not is_pod_ready([pod({"running": {"startedAt": old}})], since=NOW)
    assert not is_pod_ready([pod({"waiting": {}})], since=NOW)
