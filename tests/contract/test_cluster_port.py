"""What the activities lean on, on the fake and on a real API server alike."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from activities.clients.kube import KubeCluster
from activities.manifests import accounts, services
from activities.manifests.labels import selector_text
from activities.ports import ClusterPort, Event
from domain.errors import BrokenError, TransientError
from tests.activities.world import World
from tests.fakes.kubernetes import FakeKubernetes
from tests.workflows.waiting import until_asked

WORLD = World()
#: The other cluster of the site: its namespace is not that of the tests of identities.
REF = WORLD.configuration.ref("other")


@pytest.fixture(
    params=["fake", pytest.param("real", marks=[pytest.mark.cluster, pytest.mark.timeout(120)])],
)
def port(request: pytest.FixtureRequest) -> ClusterPort:
    """The port on each of both; the real one as the identity of ops."""
    return FakeKubernetes() if request.param == "fake" else KubeCluster(request.getfixturevalue("ops"))


async def test_applying_twice_leaves_the_version_and_another_value_does_not(port: ClusterPort) -> None:
    manifest = services.budget(REF, operation_id="op-1")

    first = await port.apply(manifest)
    second = await port.apply(services.budget(REF, operation_id="op-1"))
    manifest["metadata"]["annotations"]["x"] = "y"
    third = await port.apply(manifest)

    managed = [item["metadata"].get("generation") for item in (first, second, third)]
    assert managed[0] == managed[1]
    assert second["spec"]["maxUnavailable"] == 1
    assert third["metadata"]["annotations"]["x"] == "y"


async def test_an_account_applied_twice_keeps_its_version(port: ClusterPort) -> None:
    first = await port.apply(accounts.accounts(REF, operation_id="op-1")[0])
    second = await port.apply(accounts.accounts(REF, operation_id="op-1")[0])

    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert first["metadata"]["uid"] == second["metadata"]["uid"]


async def test_creating_over_an_existing_object_is_none(port: ClusterPort) -> None:
    manifest = accounts.ca_config_map(REF, operation_id="op-1", certificate_pem="PEM")

    await port.create(manifest)
    again = await port.create({**manifest, "data": {"ca.crt": "OTHER"}})
    found = await port.get("ConfigMap", REF.ca_config_map, namespace=REF.namespace)

    assert again is None
    assert found is not None
    assert found["data"] == {"ca.crt": "PEM"}


async def test_a_secret_comes_as_its_metadata_alone(port: ClusterPort) -> None:
    applied = await port.apply(accounts.client_secret(REF, operation_id="op-1"))
    found = await port.get("Secret", REF.client_secret, namespace=REF.namespace)

    assert found is not None
    assert "data" not in applied
    assert "data" not in found
    assert found["metadata"]["labels"]["app.kubernetes.io/instance"] == "other"


async def test_what_is_not_there_is_none_and_cannot_be_annotated(port: ClusterPort) -> None:
    assert await port.get("Pod", "nobody", namespace=REF.namespace) is None
    with pytest.raises(BrokenError) as missing:
        await port.annotate("Pod", "nobody", namespace=REF.namespace, values={"a": "b"})

    assert missing.value.code == "kubernetes.not-found"


def pod(name: str) -> dict[str, object]:
    """A pod that no machine takes."""
    meta = services.budget(REF, operation_id="op-1")["metadata"] | {"name": name}
    container = {
        "name": "c",
        "image": "example.invalid/none:1",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    spec = {
        "containers": [container],
        "nodeSelector": {"no": "machine"},
        "automountServiceAccountToken": False,
        "serviceAccountName": "cockroachdb",
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


async def test_an_old_version_is_a_conflict_and_the_current_one_is_taken(port: ClusterPort) -> None:
    await port.apply(accounts.accounts(REF, operation_id="op-1")[0])
    made = await port.create(pod("versioned"))
    assert made is not None
    name, namespace = "versioned", REF.namespace
    await port.annotate("Pod", name, namespace=namespace, values={"n": "1"})

    with pytest.raises(TransientError) as overtaken:
        await port.annotate(
            "Pod", name, namespace=namespace, values={"n": "2"}, version=made["metadata"]["resourceVersion"]
        )

    found = await port.get("Pod", name, namespace=namespace)
    assert found is not None
    assert found["metadata"]["annotations"]["n"] == "1"
    assert overtaken.value.code == "kubernetes.conflict"


def stateful_set() -> dict[str, object]:
    """A StatefulSet without pods."""
    meta = services.budget(REF, operation_id="op-1")["metadata"] | {"name": "resized"}
    template = {"metadata": {"labels": {"app": "resized"}}, "spec": pod("x")["spec"]}
    spec = {
        "serviceName": "resized",
        "replicas": 0,
        "selector": {"matchLabels": {"app": "resized"}},
        "template": template,
    }
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": spec}


async def test_replicas_are_set_with_their_record_at_one_version_or_not_at_all(port: ClusterPort) -> None:
    await port.apply(accounts.accounts(REF, operation_id="op-1")[0])
    made = await port.create(stateful_set())
    assert made is not None
    name, namespace, version = "resized", REF.namespace, made["metadata"]["resourceVersion"]

    await port.annotate("StatefulSet", name, namespace=namespace, values={"n": "1"})
    with pytest.raises(TransientError) as overtaken:
        await port.resize(name, namespace=namespace, replicas=1, values={"n": "2"}, version=version)
    between = await port.get("StatefulSet", name, namespace=namespace)
    assert between is not None
    await port.resize(
        name, namespace=namespace, replicas=1, values={"n": "2"}, version=between["metadata"]["resourceVersion"]
    )
    after = await port.get("StatefulSet", name, namespace=namespace)

    assert overtaken.value.code == "kubernetes.conflict"
    assert (between["spec"]["replicas"], between["metadata"]["annotations"]["n"]) == (0, "1")
    assert after is not None
    assert (after["spec"]["replicas"], after["metadata"]["annotations"]["n"]) == (1, "2")


async def test_images_and_partition_are_set_with_their_record_and_everything_else_is_left(port: ClusterPort) -> None:
    await port.apply(accounts.accounts(REF, operation_id="op-1")[0])
    manifest: Any = stateful_set()
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    sidecar = {**container, "name": "beside", "args": ["stay"]}
    template = {"containers": [container, sidecar], "initContainers": [{**container, "name": "before"}]}
    manifest["spec"]["template"]["spec"] |= template
    manifest["metadata"]["name"] = "rolled"
    made = await port.create(manifest)
    assert made is not None
    wanted: Any = {
        "namespace": REF.namespace,
        "images": {"c": "example.invalid/none:2"},
        "init_images": {"before": "example.invalid/none:3"},
        "partition": 2,
        "values": {"n": "1"},
    }

    await port.annotate("StatefulSet", "rolled", namespace=REF.namespace, values={"n": "0"})
    with pytest.raises(TransientError) as overtaken:
        await port.roll("rolled", **wanted, version=made["metadata"]["resourceVersion"])
    between = await port.get("StatefulSet", "rolled", namespace=REF.namespace)
    assert between is not None

    async def rolled() -> bool:
        """The controller writes its status beside us, which is another version as well."""
        found: Any = await port.get("StatefulSet", "rolled", namespace=REF.namespace)
        try:
            await port.roll("rolled", **wanted, version=found["metadata"]["resourceVersion"])
        except TransientError:
            return False
        return True

    await until_asked(rolled)
    after = await port.get("StatefulSet", "rolled", namespace=REF.namespace)

    assert overtaken.value.code == "kubernetes.conflict"
    assert between["metadata"]["annotations"]["n"] == "0"
    assert after is not None
    spec = after["spec"]["template"]["spec"]
    assert [(one["name"], one["image"]) for one in (*spec["containers"], *spec["initContainers"])] == [
        ("c", "example.invalid/none:2"),
        ("beside", "example.invalid/none:1"),
        ("before", "example.invalid/none:3"),
    ]
    assert spec["containers"][1]["args"] == ["stay"]
    assert spec["nodeSelector"] == {"no": "machine"}
    assert after["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    assert (after["spec"]["replicas"], after["metadata"]["annotations"]["n"]) == (0, "1")


async def test_a_watch_sees_what_comes_after_its_list_and_a_delete_of_another_uid_does_nothing(
    port: ClusterPort,
) -> None:
    await port.apply(accounts.accounts(REF, operation_id="op-1")[0])
    listing = await port.list("Pod", namespace=REF.namespace, labels=selector_text(REF))
    events: list[Event] = []
    is_open = asyncio.Event()

    async def follow() -> None:
        watch = port.watch("Pod", namespace=REF.namespace, labels=selector_text(REF), version=listing.version)
        async with aclosing(watch):
            is_open.set()
            async for event in watch:
                events.append(event)
                if event.kind == "deleted":
                    return

    following = asyncio.ensure_future(follow())
    await is_open.wait()
    made = await port.create(pod("watched"))
    assert made is not None
    await port.delete("Pod", "watched", namespace=REF.namespace, uid="another")
    assert await port.get("Pod", "watched", namespace=REF.namespace) is not None
    await port.delete("Pod", "watched", namespace=REF.namespace, uid=made["metadata"]["uid"])
    await port.delete("Pod", "watched", namespace=REF.namespace, uid=made["metadata"]["uid"])
    await following

    assert (events[0].kind, events[0].object["metadata"]["name"]) == ("added", "watched")
    assert events[-1].kind == "deleted"
