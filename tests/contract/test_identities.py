"""Two identities on a real API server: each can do its part, neither can do the other's, and a lost right is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from activities.applying import apply_all
from activities.certificates import CertificateActivities
from activities.clients.api import Api, path
from activities.clients.csr_watch import KubeCsrWatch
from activities.clients.csrs import KubeCsrs
from activities.clients.execution import KubeExec
from activities.clients.kube import KubeCluster, connect
from activities.clients.secrets import KubeAuthority
from activities.cluster import ClusterActivities
from activities.manifests.installation import installation
from activities.manifests.rights import ops_rules, signer_rules
from activities.payloads import (
    ApplyRequest,
    CsrRequest,
    EnsureCaRequest,
    PlanDeployRequest,
    RecordCaRequest,
    SignerPreflightRequest,
    SignRequest,
    VerifyRequest,
    WriteDecisionRequest,
)
from activities.ports import Condition, CsrSeen, CsrSnapshot
from activities.signing import SigningActivities
from domain.csr import CsrVerdict
from domain.errors import RefusedError
from operations.queues import certify_id
from tests.activities.world import ANN, World, run
from tests.contract.conftest import Site
from tests.fakes.running import FakeRunning

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

YES = Condition(type="Approved", status="True", reason="Test", message="test")


@pytest.fixture
def world() -> World:
    made = World()
    made.now = datetime.now(UTC)
    return made


def signing(world: World, api: Api) -> SigningActivities:
    authority = KubeAuthority(api, namespace="crdbops-system")
    return SigningActivities(KubeCsrs(api), authority, world.configuration, world.ring)


async def applied(world: World, ops: Api) -> None:
    spec = world.spec.model_copy(update={"storage_class": "crdbops-local"})
    request = ApplyRequest(ref=world.ref, spec=spec, mode="first", operation_id="op-1")
    await apply_all(KubeCluster(ops), request, world.policy)


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a check holds: the authorizer of the API server follows roles with a short delay."""
    for _ in range(200):
        if await check():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come to hold within 20 s")


async def ask(site: Site, world: World, ops: Api, pod: str, *, name: str) -> tuple[str, str]:
    """Make a CSR as certagent in that pod would; return its name and uid."""
    found = None
    while found is None:
        found = await KubeCluster(ops).get("Pod", pod, namespace="crdb")
        await asyncio.sleep(0.1)
    account = found["spec"]["serviceAccountName"]
    kubeconfig = await asyncio.to_thread(_identity, site, pod, account, found["metadata"]["uid"])
    made = world.csr(pod, name=name, key=ec.generate_private_key(ec.SECP256R1()))
    item = world.kubernetes.find("CertificateSigningRequest", name)
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name, "labels": item["metadata"]["labels"]},
        "spec": {key: item["spec"][key] for key in ("request", "signerName", "usages", "expirationSeconds")},
    }
    async with await connect(kubeconfig) as own:
        answer = await own.call("POST", path("CertificateSigningRequest"), body=body)
    assert made.name == name
    return name, answer["metadata"]["uid"]


def _identity(site: Site, pod: str, account: str, uid: str) -> Path:
    return site.pod_identity(pod, account=account, uid=uid)


async def test_both_hold_every_right_that_preflight_asks_for(world: World, ops: Api, signer: Api) -> None:
    assert await KubeCluster(ops).missing_rules(ops_rules(world.configuration, world.ref)) == ()
    assert await KubeCsrs(signer).missing_rules(signer_rules(world.configuration, world.ref)) == ()


async def is_whole(world: World, ops: Api) -> bool:
    return await KubeCluster(ops).missing_rules(ops_rules(world.configuration, world.ref)) == ()


async def has_ops_lost(world: World, ops: Api, sentence: str) -> bool:
    missing = await KubeCluster(ops).missing_rules(ops_rules(world.configuration, world.ref))
    return sentence in {rule.sentence() for rule in missing}


async def test_a_lost_right_is_named_verbatim(site: Site, world: World, ops: Api, signer: Api) -> None:
    items = installation(world.configuration, "here")
    role = next(item for item in items if item["kind"] == "Role" and item["metadata"]["namespace"] == "crdb")
    rules = [rule for rule in role["rules"] if rule["resources"] != ["statefulsets"]]
    lost = "create statefulsets.apps in namespace crdb"
    site.cluster.kubectl("apply", "-f", "-", given=json.dumps({**role, "rules": rules}))
    try:
        await eventually(lambda: has_ops_lost(world, ops, lost))
        facts = await run(signing(world, signer).preflight, SignerPreflightRequest(ref=world.ref))
        request = PlanDeployRequest(ref=world.ref, nodes=None, version=None, storage=None, signer=facts)
        found = await run(ClusterActivities(KubeCluster(ops), world.configuration).plan, request)
    finally:
        site.cluster.kubectl("apply", "-f", "-", given=json.dumps(role))

    assert lost in found.facts.missing_rules
    assert {reason.code for reason in found.plan.verdict.reasons} == {"deploy.missing-right"}
    await eventually(lambda: is_whole(world, ops))


async def test_ops_is_refused_everything_in_the_system_namespace(world: World, ops: Api) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "crdbops-system"}}
    command = KubeExec(ops).run("crdbops-system", "any", container="c", command=["true"], seconds=5)
    attempts = [
        KubeAuthority(ops, namespace="crdbops-system").find(world.ref),
        KubeCluster(ops).create({**pod, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}),
        KubeCluster(ops).list("Secret", namespace="crdbops-system"),
        command,
        KubeCluster(ops).list("Secret", namespace="crdb"),
        KubeCluster(ops).get("Secret", "another", namespace="crdb"),
    ]

    refusals = await asyncio.gather(*attempts, return_exceptions=True)

    assert [getattr(refusal, "code", refusal) for refusal in refusals] == ["kubernetes.forbidden"] * len(attempts)


async def test_the_signer_cannot_touch_the_database_namespace(world: World, signer: Api) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "crdb"}}
    attempts = [
        KubeCluster(signer).create({**pod, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}),
        KubeCluster(signer).get("Secret", world.ref.client_secret, namespace="crdb"),
        KubeCluster(signer).list("Secret", namespace="crdbops-system"),
        KubeExec(signer).run("crdb", "any", container="c", command=["true"], seconds=5),
    ]

    refusals = await asyncio.gather(*attempts, return_exceptions=True)

    assert [getattr(refusal, "code", refusal) for refusal in refusals] == ["kubernetes.forbidden"] * len(attempts)


async def test_ops_makes_all_objects_with_its_rights_and_making_them_again_changes_nothing(
    world: World, ops: Api
) -> None:
    cluster = KubeCluster(ops)
    named = [
        ("ServiceAccount", "cockroachdb"),
        ("Secret", "crdb.client.root"),
        ("Role", "cockroachdb-client"),
        ("RoleBinding", "cockroachdb-client"),
        ("Service", "cockroachdb"),
        ("Service", "cockroachdb-public"),
    ]

    async def versions() -> list[str]:
        found = [await cluster.get(kind, name, namespace="crdb") for kind, name in named]
        found.append(await cluster.get("ClusterRoleBinding", world.ref.certagent_binding))
        return [item["metadata"]["resourceVersion"] for item in found if item is not None]

    await applied(world, ops)
    before = await versions()
    await applied(world, ops)

    assert len(before) == 7
    assert await versions() == before
    assert (await cluster.get("StatefulSet", "cockroachdb", namespace="crdb") or {})["metadata"]["generation"] == 1


async def test_a_pods_request_is_approved_by_ops_and_signed_by_the_signer_and_neither_can_do_the_others_part(
    site: Site, world: World, ops: Api, signer: Api
) -> None:
    await applied(world, ops)
    ca = await run(signing(world, signer).ensure_ca, EnsureCaRequest(ref=world.ref, expected="none"))
    again = await run(signing(world, signer).ensure_ca, EnsureCaRequest(ref=world.ref, expected=ca.fingerprint))
    publish = RecordCaRequest(ref=world.ref, certificate_pem=ca.certificate_pem, fingerprint=ca.fingerprint)
    await run(ClusterActivities(KubeCluster(ops), world.configuration).record_ca, publish)
    name, uid = await ask(site, world, ops, "cockroachdb-0", name="crdb.node.cockroachdb-0")
    decides = CertificateActivities(KubeCsrs(ops), FakeRunning(), world.configuration)
    reading = await run(decides.read, CsrRequest(ref=world.ref, csr=name, csr_uid=uid))
    seen = await KubeCsrs(signer).get(name)
    assert seen is not None

    with pytest.raises(RefusedError) as signer_approves:
        await KubeCsrs(signer).decide(seen, YES)
    with pytest.raises(RefusedError) as ops_signs:
        await KubeCsrs(ops).issue(seen, ca.certificate_pem)

    assert isinstance(reading.verdict, CsrVerdict)
    assert [check.code for check in reading.verdict.failed] == []
    shown = reading.verdict.fingerprint
    signs = SignRequest(
        ref=world.ref,
        csr=name,
        csr_uid=uid,
        workflow_id=certify_id(site="here", name=name, uid=uid),
        approval_id="ab12cd34",
        fingerprint=shown,
        tokens=(world.token(seen, shown),),
        asked_by=(),
    )
    writes = WriteDecisionRequest(
        ref=world.ref, csr=name, csr_uid=uid, fingerprint=shown, approval_id="ab12cd34", people=(ANN,)
    )
    judged = await run(signing(world, signer).judge, signs)
    written = await run(decides.approve, writes)
    issued = await run(signing(world, signer).sign, signs)
    verified = await run(decides.verify, VerifyRequest(ref=world.ref, csr=name, csr_uid=uid))

    assert {signer_approves.value.code, ops_signs.value.code} == {"kubernetes.forbidden"}
    assert (again.is_new, judged.outcome, written.outcome) == (False, "yes", "written")
    assert issued == verified
    assert issued.not_after - world.now > timedelta(days=364)


async def test_the_watch_sees_a_request_come_and_what_stamped_it(site: Site, world: World, ops: Api) -> None:
    await applied(world, ops)
    watch = KubeCsrWatch(ops, signers=("crdbops.internal/node", "crdbops.internal/client")).watch()
    first = await anext(watch)

    name, uid = await ask(site, world, ops, "cockroachdb-1", name="crdb.node.cockroachdb-1")
    seen = await anext(watch)
    await watch.aclose()

    assert isinstance(first, CsrSnapshot)
    assert isinstance(seen, CsrSeen)
    assert (seen.name, seen.uid, seen.is_pending) == (name, uid, True)
    assert seen.username == "system:serviceaccount:crdb:cockroachdb"
