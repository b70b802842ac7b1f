"""Rights of the two identities: least, apart from each other, and the same ones that preflight asks for."""

from __future__ import annotations

from activities.manifests import rights
from activities.manifests.accounts import client_role
from activities.manifests.installation import installation
from activities.ports import Rule
from tests.activities.world import World

WORLD = World()
OPS = rights.ops_rules(WORLD.configuration, WORLD.ref)
SIGNER = rights.signer_rules(WORLD.configuration, WORLD.ref)


def sentences(rules: tuple[Rule, ...]) -> set[str]:
    return {rule.sentence() for rule in rules}


def test_a_right_is_said_as_kubectl_would_ask_for_it() -> None:
    rule = Rule(verb="create", group="apps", resource="statefulsets", namespace="crdb")

    assert rule.sentence() == "create statefulsets.apps in namespace crdb"
    assert "create pods/exec in namespace crdb" in sentences(OPS)
    assert "approve signers.certificates.k8s.io crdbops.internal/node" in sentences(OPS)


def test_ops_holds_nothing_in_the_system_namespace_and_cannot_sign() -> None:
    assert {rule.namespace for rule in OPS} == {"", "crdb"}
    assert not any(rule.verb == "sign" or rule.subresource == "status" for rule in OPS)


def test_the_signer_changes_nothing_but_its_secrets_and_the_status_of_csrs() -> None:
    changing = {rule.sentence() for rule in SIGNER if rule.verb not in ("get", "list", "watch")}

    assert changing == {
        "create secrets in namespace crdbops-system",
        "update certificatesigningrequests.certificates.k8s.io/status",
        "sign signers.certificates.k8s.io crdbops.internal/node",
        "sign signers.certificates.k8s.io crdbops.internal/client",
    }


def test_the_signer_reads_ca_secrets_by_name_and_never_lists() -> None:
    secrets = {(rule.verb, rule.name) for rule in SIGNER if rule.resource == "secrets"}

    assert secrets == {("create", ""), ("get", "crdb.shop.ca")}


def test_nobody_holds_a_star() -> None:
    roles = [item for item in installation(WORLD.configuration, "here") if item["kind"].endswith("Role")]

    assert len(roles) >= 6
    assert not any("*" in str(item["rules"]) for item in roles)


def test_ops_holds_in_the_namespace_what_it_grants_there() -> None:
    granted = client_role(WORLD.ref, operation_id="x")["rules"][0]

    held = {(rule.verb, rule.name) for rule in OPS if rule.resource == "secrets"}
    assert {(verb, name) for verb in granted["verbs"] for name in granted["resourceNames"]} <= held


def test_rights_of_another_cluster_of_the_site_are_not_asked_for() -> None:
    assert not any("other" in rule.sentence() for rule in (*OPS, *SIGNER))


def test_ops_may_mark_and_delete_volume_claims_and_make_none() -> None:
    verbs = {rule.verb for rule in OPS if rule.resource == "persistentvolumeclaims"}

    assert verbs == {"get", "list", "watch", "patch", "delete"}
    assert {rule.verb for rule in OPS if rule.resource == "persistentvolumes"} == {"get"}


def test_every_namespace_is_restricted() -> None:
    namespaces = [item for item in installation(WORLD.configuration, "here") if item["kind"] == "Namespace"]

    assert {item["metadata"]["name"] for item in namespaces} == {"crdbops-system", "crdb", "otherdb"}
    assert all(item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted" for item in namespaces)
