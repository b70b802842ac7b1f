"""The client of the API server against a small HTTP server: what is sent, errors, watches, Secrets' metadata."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from activities.clients.api import Api
from activities.clients.authority import make_ca
from activities.clients.csr_watch import KubeCsrWatch
from activities.clients.csrs import KubeCsrs
from activities.clients.kube import KubeCluster, connect
from activities.clients.secrets import KubeAuthority
from activities.ports import Condition, CsrObject, CsrSeen, CsrSnapshot, Rule
from domain.errors import BrokenError, InvalidRequestError, RefusedError, TransientError
from tests.activities.world import NOW, World
from tests.fakes.kubernetes import csr_json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Records requests and answers from a queue of handlers."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.handlers: list[Handler] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        headers = {name: request.headers.get(name, "") for name in ("Accept", "Content-Type", "Authorization")}
        self.requests.append((request.method, str(request.rel_url), headers, json.loads(text) if text else None))
        return await self.handlers.pop(0)(request)

    def answer(self, body: Any, *, status: int = 200, **headers: str) -> None:
        async def handler(_request: web.Request) -> web.Response:
            return web.json_response(body, status=status, headers=headers)

        self.handlers.append(handler)

    def stream(self, *events: Any) -> None:
        async def handler(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for event in events:
                await response.write(json.dumps(event).encode() + b"\n")
            return response

        self.handlers.append(handler)


def write_kubeconfig(folder: Path, *, server: str, token: str) -> Path:
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": token} if token else {}}],
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _system_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """None: each client reads them all anew, which takes longer than its test."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", os.devnull)


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def api(server: Server, tmp_path: Path) -> AsyncIterator[Api]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as running:
        kubeconfig = write_kubeconfig(tmp_path, server=f"http://127.0.0.1:{running.port}", token="first-token")
        async with await connect(kubeconfig) as client:
            yield client


async def test_apply_is_server_side_with_our_field_manager_and_the_identitys_token(server: Server, api: Api) -> None:
    server.answer({"metadata": {"name": "x"}})

    await KubeCluster(api).apply({"kind": "Service", "metadata": {"name": "x", "namespace": "crdb"}})

    method, url, headers, body = server.requests[0]
    assert (method, url) == ("PATCH", "/api/v1/namespaces/crdb/services/x?fieldManager=crdb-chatops&force=true")
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert headers["Authorization"] == "Bearer first-token"
    assert body["metadata"]["name"] == "x"


async def test_a_renewed_token_is_taken_over_and_an_unreadable_file_keeps_the_old_one(
    server: Server, tmp_path: Path
) -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as running:
        address = f"http://127.0.0.1:{running.port}"
        kubeconfig = write_kubeconfig(tmp_path, server=address, token="first-token")
        async with await Api.connect(kubeconfig, reread_seconds=0) as api:
            for _ in range(3):
                server.answer({"gitVersion": "v1.35.4"})

            await KubeCluster(api).server_version()
            write_kubeconfig(tmp_path, server=address, token="second-token")
            await KubeCluster(api).server_version()
            kubeconfig.write_text("{")
            await KubeCluster(api).server_version()

    sent = [headers["Authorization"] for _, _, headers, _ in server.requests]
    assert sent == ["Bearer first-token", "Bearer second-token", "Bearer second-token"]


@pytest.mark.parametrize("bypassed", ["", "kube.invalid", "*"])
async def test_a_proxy_of_the_environment_is_on_the_way_unless_it_is_to_be_left_out(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bypassed: str
) -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    server.answer({"gitVersion": "v1.35.4"})
    async with TestServer(app) as running:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{running.port}")
        monkeypatch.setenv("no_proxy", bypassed)
        kubeconfig = write_kubeconfig(tmp_path, server="http://kube.invalid:6443", token="t")
        async with await Api.connect(kubeconfig) as api:
            with nullcontext() if not bypassed else pytest.raises(TransientError):
                await KubeCluster(api).server_version()

    assert len(server.requests) == (0 if bypassed else 1)


async def test_a_netrc_of_whoever_runs_it_is_left_alone(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: Api
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer({"gitVersion": "v1.35.4"})

    await KubeCluster(api).server_version()

    assert server.requests[0][2]["Authorization"] == "Bearer first-token"


async def test_a_secret_is_asked_for_as_metadata_and_more_than_that_is_dropped(server: Server, api: Api) -> None:
    server.answer({"kind": "PartialObjectMetadata", "metadata": {"name": "s"}})
    server.answer({"kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "c2VjcmV0"}})

    found = await KubeCluster(api).get("Secret", "s", namespace="crdb")
    with pytest.raises(BrokenError) as broken:
        await KubeCluster(api).get("Secret", "s", namespace="crdb")

    assert found is not None
    assert server.requests[0][2]["Accept"] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    assert "c2VjcmV0" not in str(broken.value)


async def test_none_is_told_from_forbidden_and_busy(server: Server, api: Api) -> None:
    server.answer({"message": "not found"}, status=404)
    server.answer({"message": 'pods "x" is forbidden: User "ops" cannot get'}, status=403)
    server.answer({"message": "slow down"}, status=429, **{"Retry-After": "2"})

    assert await KubeCluster(api).get("Pod", "x", namespace="crdb") is None
    with pytest.raises(RefusedError, match="is forbidden"):
        await KubeCluster(api).get("Pod", "x", namespace="crdb")
    with pytest.raises(TransientError) as busy:
        await KubeCluster(api).get("Pod", "x", namespace="crdb")
    assert busy.value.retry_after is not None
    assert busy.value.retry_after.total_seconds() == 2


async def test_an_existing_object_is_not_created_and_a_gone_one_is_deleted(server: Server, api: Api) -> None:
    for status in (409, 404, 409):
        server.answer({"message": "no"}, status=status)
    cluster = KubeCluster(api)

    made = await cluster.create({"kind": "ConfigMap", "metadata": {"name": "x", "namespace": "crdb"}})
    await cluster.delete("Pod", "x", namespace="crdb", uid="u")
    await cluster.delete("Pod", "x", namespace="crdb", uid="u")

    assert made is None
    assert server.requests[1][3]["preconditions"] == {"uid": "u"}


async def test_annotating_with_a_version_fails_when_it_is_old(server: Server, api: Api) -> None:
    server.answer({"message": "modified"}, status=409)

    with pytest.raises(TransientError) as overtaken:
        await KubeCluster(api).annotate("StatefulSet", "x", namespace="crdb", values={"a": "b"}, version="7")

    assert overtaken.value.code == "kubernetes.conflict"
    assert server.requests[0][3] == {"metadata": {"annotations": {"a": "b"}, "resourceVersion": "7"}}


async def test_missing_rights_are_found_by_review(server: Server, api: Api) -> None:
    rules = (Rule(verb="get", resource="pods", namespace="crdb"), Rule(verb="sign", resource="signers", group="x"))
    server.answer({"status": {"allowed": True}})
    server.answer({"status": {"allowed": False}})

    missing = await KubeCluster(api).missing_rules(rules)

    assert len(missing) == 1
    asked = [request[3]["spec"]["resourceAttributes"] for request in server.requests]
    assert {"verb": "get", "resource": "pods", "namespace": "crdb"} in asked


@pytest.mark.parametrize("text", [None, "{", "kind: Config", "[]"], ids=["missing", "torn", "empty", "a list"])
async def test_a_kubeconfig_that_cannot_be_used_is_said_by_its_path(tmp_path: Path, text: str | None) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    if text is not None:
        kubeconfig.write_text(text)

    with pytest.raises(InvalidRequestError) as refused:
        await connect(kubeconfig)

    assert refused.value.code == "kubernetes.bad-kubeconfig"
    assert str(kubeconfig) in refused.value.message


async def test_a_dead_server_is_transient(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path, server="http://127.0.0.1:9", token="")

    async with await connect(kubeconfig) as api:
        with pytest.raises(TransientError) as gone:
            await KubeCluster(api).server_version()

    assert gone.value.code == "kubernetes.unreachable"


async def test_a_watch_yields_events_and_raises_when_its_version_is_too_old(server: Server, api: Api) -> None:
    pod = {"metadata": {"name": "p", "resourceVersion": "8"}}
    server.stream({"type": "MODIFIED", "object": pod}, {"type": "BOOKMARK", "object": pod})
    server.stream({"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}})
    cluster = KubeCluster(api)

    seen = [event async for event in cluster.watch("Pod", namespace="crdb", labels="a=b", version="7")]
    with pytest.raises(TransientError) as old:
        await anext(cluster.watch("Pod", namespace="crdb", labels="a=b", version="7"))

    assert [(event.kind, event.version) for event in seen] == [("modified", "8")]
    assert "resourceVersion=7&watch=true" in server.requests[0][1]
    assert old.value.code == "kubernetes.expired"


def csr(world: World, **changes: Any) -> dict[str, Any]:
    made = world.csr("cockroachdb-0", **changes)
    item = csr_json(made)
    item["metadata"]["resourceVersion"] = "7"
    return item


async def test_a_decision_is_put_on_the_object_as_it_was_read(server: Server, api: Api) -> None:
    item = csr(World())
    item["metadata"]["labels"] = {"keep": "me"}
    item["status"] = {"conditions": [{"type": "Other", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    server.answer({})

    await KubeCsrs(api).decide(
        CsrObject.parse(item), Condition(type="Approved", status="True", reason="R", message="m")
    )

    method, url, _, body = server.requests[0]
    assert (method, url.rpartition("/")[2]) == ("PUT", "approval")
    assert body["metadata"] == item["metadata"]
    assert [condition["type"] for condition in body["status"]["conditions"]] == ["Other", "Approved"]
    assert body["status"]["conditions"][0] == item["status"]["conditions"][0]


async def test_a_certificate_is_put_into_the_status(server: Server, api: Api) -> None:
    server.answer({})

    await KubeCsrs(api).issue(CsrObject.parse(csr(World())), "PEM")

    assert server.requests[0][1].endswith("/status")
    assert base64.b64decode(server.requests[0][3]["status"]["certificate"]) == b"PEM"


async def test_a_csr_with_odd_extras_has_no_pod(server: Server, api: Api) -> None:
    item = csr(World())
    item["spec"]["extra"]["authentication.kubernetes.io/pod-uid"] = ["a", "b"]
    item["spec"]["request"] = "not base64!"

    found = CsrObject.parse(item)

    assert (found.pod_uid, found.request_pem) == ("", b"")


async def test_the_watch_of_csrs_lists_follows_and_lists_again_when_it_broke(server: Server, api: Api) -> None:
    world = World()
    ours, other = csr(world), csr(world, name="x", signer_name="example.org/other")
    server.answer({"metadata": {"resourceVersion": "9"}, "items": [ours, other]})
    server.stream(
        {"type": "MODIFIED", "object": ours},
        {"type": "ADDED", "object": other},
        {"type": "ERROR", "object": {"code": 410, "message": "too old"}},
    )
    server.answer({"metadata": {"resourceVersion": "11"}, "items": []})
    server.stream()
    watch = KubeCsrWatch(api, signers=("crdbops.internal/node",))
    seen = watch.watch()

    first, second, third = [await anext(seen) for _ in range(3)]

    assert isinstance(first, CsrSnapshot)
    assert [item.name for item in first.items] == ["crdb.node.cockroachdb-0"]
    assert isinstance(second, CsrSeen)
    assert (second.kind, second.state, second.is_decided_by_us) == ("modified", "pending", False)
    assert third == CsrSnapshot(items=())
    await seen.aclose()


def ca_secret(world: World, **changes: Any) -> dict[str, Any]:
    certificate, key = make_ca(world.ref, days=9, now=NOW)
    labels = {
        "app.kubernetes.io/name": "cockroachdb",
        "app.kubernetes.io/instance": "shop",
        "app.kubernetes.io/managed-by": "crdb-chatops",
        "app.kubernetes.io/part-of": "crdb-chatops",
    }
    data = {"ca.crt": base64.b64encode(certificate).decode(), "ca.key": base64.b64encode(key).decode()}
    return {"metadata": {"labels": labels}, "data": data, **changes}


async def test_a_ca_is_created_and_an_existing_one_is_read_instead(server: Server, api: Api) -> None:
    world = World()
    rival = ca_secret(world)
    server.answer({"message": "exists"}, status=409)
    server.answer(rival)

    found, is_new = await KubeAuthority(api, namespace="crdbops-system").make(world.ref, days=9, now=NOW)

    assert not is_new
    assert base64.b64decode(rival["data"]["ca.crt"]).decode() == found.certificate_pem
    method, url, _, body = server.requests[0]
    assert (method, url) == ("POST", "/api/v1/namespaces/crdbops-system/secrets")
    assert body["immutable"] is True


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"metadata": {"labels": {}}}, "ca.not-ours", id="without our labels"),
        pytest.param({"data": {}}, "ca.unreadable", id="empty"),
        pytest.param({"data": {"ca.crt": "!", "ca.key": "!"}}, "ca.unreadable", id="garbage"),
    ],
)
async def test_a_secret_that_holds_no_ca_of_ours_is_refused(
    server: Server, api: Api, changes: dict[str, Any], code: str
) -> None:
    server.answer(ca_secret(World(), **changes))

    with pytest.raises((RefusedError, BrokenError)) as refused:
        await KubeAuthority(api, namespace="crdbops-system").find(World().ref)

    assert refused.value.code == code
    assert "PRIVATE" not in str(refused.value)
