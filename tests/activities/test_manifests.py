"""Manifests against golden YAML files, and the rules that must hold whatever they look like.

A wanted change is taken over by ``pytest tests/activities/test_manifests.py --snapshot-update`` and read in review.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from activities.manifests import accounts, services
from activities.manifests.client_pod import client_pod
from activities.manifests.installation import installation
from activities.manifests.labels import labels, why_not_ours
from activities.manifests.statefulset import stateful_set
from domain.certificate import profile_of
from domain.model import ClusterSpec
from tests.activities.world import World

WORLD = World()
REF, SPEC, POLICY = WORLD.ref, WORLD.spec, WORLD.policy


class Yaml(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "yaml"

    def serialize(self, data: Any, **_options: Any) -> str:
        return yaml.safe_dump(data, sort_keys=False, width=120)


@pytest.fixture
def golden(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(Yaml)


def test_stateful_set(golden: SnapshotAssertion) -> None:
    assert plain(stateful_set(REF, SPEC, POLICY, operation_id="op-1")) == golden


def test_client_pod(golden: SnapshotAssertion) -> None:
    assert plain(client_pod(REF, SPEC, POLICY, operation_id="op-1")) == golden


def test_services_and_budget(golden: SnapshotAssertion) -> None:
    made = [
        services.headless_service(REF, operation_id="op-1"),
        services.public_service(REF, operation_id="op-1"),
        services.budget(REF, operation_id="op-1"),
    ]

    assert plain(made) == golden


def test_accounts_and_rights_of_the_pods(golden: SnapshotAssertion) -> None:
    made = [
        *accounts.accounts(REF, operation_id="op-1"),
        accounts.client_secret(REF, operation_id="op-1"),
        accounts.client_role(REF, operation_id="op-1"),
        accounts.client_role_binding(REF, operation_id="op-1"),
        accounts.certagent_binding(REF, operation_id="op-1"),
        accounts.ca_config_map(REF, operation_id="op-1", certificate_pem="PEM\n"),
    ]

    assert plain(made) == golden


def test_installation(golden: SnapshotAssertion) -> None:
    assert plain(installation(WORLD.configuration, "here")) == golden


def plain(value: Any) -> Any:
    """Without shared parts, which YAML would write as anchors."""
    return yaml.safe_load(yaml.dump(value, Dumper=_NoAliases))


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def pods() -> list[dict[str, Any]]:
    nodes = stateful_set(REF, SPEC, POLICY, operation_id="op-1")["spec"]["template"]["spec"]
    return [nodes, client_pod(REF, SPEC, POLICY, operation_id="op-1")["spec"]]


@pytest.mark.parametrize("pod", pods(), ids=["node", "client"])
def test_every_container_keeps_the_restricted_standard_and_a_read_only_root(pod: dict[str, Any]) -> None:
    securities = [container["securityContext"] for container in (*pod["initContainers"], *pod["containers"])]

    assert all(security["readOnlyRootFilesystem"] for security in securities)
    assert all(security["allowPrivilegeEscalation"] is False for security in securities)
    assert all(security["capabilities"] == {"drop": ["ALL"]} for security in securities)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("pod", pods(), ids=["node", "client"])
def test_the_token_is_mounted_in_the_init_container_alone(pod: dict[str, Any]) -> None:
    mounts = {
        c["name"]: {mount["name"] for mount in c["volumeMounts"]} for c in (*pod["initContainers"], *pod["containers"])
    }

    assert pod["automountServiceAccountToken"] is False
    assert [name for name, volumes in mounts.items() if "token" in volumes] == ["certagent"]


def test_the_database_sees_its_certificates_read_only_and_no_shell_runs() -> None:
    node, client = pods()

    certs = [m for m in node["containers"][0]["volumeMounts"] if m["name"] == "certs"]
    assert certs[0]["readOnly"] is True
    assert node["containers"][0]["command"] == ["/cockroach/cockroach", "start"]
    assert client["containers"][0]["command"] == ["sleep", "2147483648"]


def test_certagent_asks_for_exactly_the_names_of_the_policy() -> None:
    node, _ = pods()
    wanted = profile_of(POLICY, kind="node", pod="cockroachdb-7").dns_names

    asked = [argument for argument in node["initContainers"][0]["args"] if argument.startswith("--dns-name=")]
    filled = [argument.removeprefix("--dns-name=").replace("$(POD_NAME)", "cockroachdb-7") for argument in asked]
    assert sorted(filled) == sorted(wanted)


def test_a_quarter_of_the_memory_goes_to_each_cache() -> None:
    spec = SPEC.model_copy(update={"memory": "8Gi"})
    arguments = stateful_set(REF, spec, POLICY, operation_id="x")["spec"]["template"]["spec"]["containers"][0]["args"]

    assert "--cache=2147483648" in arguments
    assert "--max-sql-memory=2147483648" in arguments


def test_the_recorded_spec_reads_back_as_it_was() -> None:
    made = stateful_set(REF, SPEC, POLICY, operation_id="op-1")

    assert ClusterSpec.model_validate_json(made["metadata"]["annotations"]["crdbops.internal/spec"]) == SPEC


def test_the_client_pod_is_another_one_when_its_image_is_and_the_same_when_only_init_is_recorded() -> None:
    def made(**changes: Any) -> str:
        spec = SPEC.model_copy(update=changes)
        annotations = client_pod(REF, spec, POLICY, operation_id="x")["metadata"]["annotations"]
        return str(annotations["crdbops.internal/spec-hash"])

    assert made() == made(init_target=0)
    assert made() != made(database_image="example.invalid/cockroach:v25.2.4")


def test_the_secret_is_applied_without_data() -> None:
    assert "data" not in accounts.client_secret(REF, operation_id="op-1")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"labels": {}}, "label app.kubernetes.io/name=not set", id="no labels"),
        pytest.param(
            {"labels": labels(WORLD.configuration.ref("other"))},
            "label app.kubernetes.io/instance=other",
            id="another cluster's",
        ),
        pytest.param({"annotations": {}}, "no annotation crdbops.internal/operation", id="no annotation"),
    ],
)
def test_an_object_without_our_marks_is_not_ours(change: dict[str, Any], said: str) -> None:
    made = services.budget(REF, operation_id="op-1")
    assert why_not_ours(made, REF) == ""

    made["metadata"] |= change

    assert said in why_not_ours(made, REF)
