"""`crdbops.toml`: what is read, what is refused and with which words; the example and the page that describe it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from domain.certificate import SigningPolicy
from domain.configuration import (
    ApprovalRule,
    Approvals,
    Certificates,
    Cluster,
    Configuration,
    Images,
    OperationRule,
    Role,
    Scales,
    Site,
    Upgrades,
    parse_configuration,
)
from domain.errors import InvalidRequestError
from domain.model import ClusterRef
from domain.roles import PolicySnapshot

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "crdbops.example.toml"
PAGE = ROOT / "docs" / "reference" / "configuration.md"

SMALLEST = """
team = "T1"
[images]
agent = "agent:1"
[sites.main]
[clusters.shop]
site = "main"
namespace = "crdb"
channel = "C1"
version = "v25.2.3"
storage_class = "standard"
"""


def _refused(text: str) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        parse_configuration(text)
    assert caught.value.code == "configuration.invalid"
    return caught.value.message


def test_the_smallest_file_has_careful_defaults() -> None:
    configuration = parse_configuration(SMALLEST)

    rule = configuration.approvals.client_root
    assert (rule.role, rule.approvals, rule.four_eyes, rule.expires_minutes) == ("approver", 1, True, 60)
    assert (rule.remind_minutes, rule.escalate_minutes) == ((15, 40), 50)
    assert configuration.roles == {}
    assert configuration.clusters["shop"].client_users == ("root",)
    assert configuration.sites["main"].node_signer == "crdbops.internal/node"
    assert (configuration.certificates.ca_days, configuration.certificates.leaf_days) == (1825, 365)


@pytest.mark.parametrize(
    ("more", "approvals", "minutes"),
    [
        pytest.param("", 2, 60, id="by default"),
        pytest.param("[approvals.volume]\nexpires_minutes = 30", 2, 30, id="also where another key is set"),
        pytest.param("[approvals.volume]\napprovals = 1", 1, 60, id="unless the file says one"),
    ],
)
def test_two_people_delete_a_volume(more: str, approvals: int, minutes: int) -> None:
    rule = parse_configuration(SMALLEST + more).approvals.volume

    assert (rule.approvals, rule.expires_minutes, rule.four_eyes) == (approvals, minutes, True)


def test_upgrades_are_careful_by_default() -> None:
    configuration = parse_configuration(SMALLEST)

    terms, rules = configuration.clusters["shop"].upgrade, configuration.approvals
    assert (terms.ask_after_canary, terms.soak_minutes) == ("major", 0)
    assert (terms.gate_pause_seconds, terms.pause_hours, terms.observe_hours) == (60, 24, 24)
    assert rules.upgrade == rules.finalize == rules.node
    assert rules.finalize.four_eyes


def test_upgrades_go_as_the_file_says() -> None:
    more = (
        "[clusters.shop.upgrade]\nask_after_canary = 'never'\nobserve_hours = 0.5\n[approvals.finalize]\napprovals = 2"
    )

    configuration = parse_configuration(SMALLEST + more)

    assert configuration.clusters["shop"].upgrade.ask_after_canary == "never"
    assert configuration.clusters["shop"].upgrade.observe_hours == 0.5
    assert (configuration.approvals.finalize.approvals, configuration.approvals.upgrade.approvals) == (2, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(SMALLEST + "[clusters.shop.upgrade]\nask_after_canary = 'sometimes'",
                     "clusters.shop.upgrade.ask_after_canary: found 'sometimes', expected 'always', 'major' or 'never'",
                     id="asked sometimes"),
        pytest.param(SMALLEST + "[clusters.shop.upgrade]\nsoak = 5",
                     "clusters.shop.upgrade.soak: found an unknown key, expected one of ask_after_canary, gate_pause",
                     id="a misspelled term of upgrades"),
        pytest.param(SMALLEST + "[clusters.shop.upgrade]\ngate_pause_seconds = -1",
                     "clusters.shop.upgrade.gate_pause_seconds: found -1, expected greater than or equal to 0",
                     id="a pause of less than nothing"),
        pytest.param(SMALLEST + "[clusters.shop.upgrade]\nsoak_minutes = inf",
                     "clusters.shop.upgrade.soak_minutes: found inf, expected a finite number", id="soaked for ever"),
        pytest.param(SMALLEST + "[clusters.shop.upgrade]\nobserve_hours = 721",
                     "clusters.shop.upgrade.observe_hours: found 721, expected less than or equal to 720",
                     id="watched for more than a month"),
        pytest.param(SMALLEST + "upgrade = 'never'", "clusters.shop.upgrade: found 'never', expected", id="no table"),
        pytest.param("team =", "crdbops.toml is not TOML", id="not TOML"),
        pytest.param("", "team: found nothing, expected a value; images: found nothing", id="an empty file"),
        pytest.param("color = 1\n" + SMALLEST, "color: found an unknown key, expected one of approvals, certificates",
                     id="an unknown table"),
        pytest.param(SMALLEST + "sise = 3", "clusters.shop.sise: found an unknown key, expected one of channel, cli",
                     id="a misspelled key"),
        pytest.param(SMALLEST + "[approvals.node]\nfour_eye = false",
                     "approvals.node.four_eye: found an unknown key, expected one of approvals, escalate_minutes",
                     id="a misspelled rule"),
        pytest.param(SMALLEST + "[approvals.nodes]", "approvals.nodes: found an unknown key, expected one of client, ",
                     id="a misspelled kind of approval"),
        pytest.param(SMALLEST + "[roles.aprover]", "roles.aprover: found 'aprover', expected 'viewer', 'operator' or",
                     id="a misspelled role"),
        pytest.param(SMALLEST + "[operations.deploy]\nasks='viewer'", "operations.deploy.asks: found an unknown key, "
                     "expected one of ask", id="a misspelled rule of an operation"),
        pytest.param(SMALLEST + "[sites.main2]\ndomain='x'", "sites.main2.domain: found an unknown key", id="site key"),
        pytest.param(SMALLEST + "[certificates]\ndays=1", "certificates.days: found an unknown key", id="lifetime key"),
        pytest.param(SMALLEST.replace('agent = "agent:1"', 'agent = "agent:1"\nagents = 1'),
                     "images.agents: found an unknown key, expected one of agent, database", id="image key"),
        pytest.param(SMALLEST + "[roles.operator]\nmembers=[]", "roles.operator.members: found an unknown", id="role"),
        pytest.param(SMALLEST + "nodes = 2", "clusters.shop.nodes: found 2, expected greater than or equal to 3",
                     id="two nodes"),
        pytest.param(SMALLEST + "nodes = 11", "clusters.shop: nodes: found 11, expected at most max_nodes, 9",
                     id="more nodes than may be"),
        pytest.param(SMALLEST + 'client_users = ["node"]', "client_users: found 'node', expected SQL users such",
                     id="node as a client"),
        pytest.param(SMALLEST + 'client_users = [""]', "clusters.shop.client_users.0: found '', expected a text",
                     id="an empty user"),
        pytest.param(SMALLEST.replace("v25.2.3", "25.2"), "clusters.shop.version: found '25.2', expected a full",
                     id="half a version"),
        pytest.param(SMALLEST + 'storage = "100"', "clusters.shop.storage: found '100', expected a size", id="no unit"),
        pytest.param(SMALLEST + 'cpu = "many"', "clusters.shop.cpu: found 'many', expected CPUs such as '2'", id="cpu"),
        pytest.param(SMALLEST.replace('site = "main"', 'site = "moon"'),
                     "clusters.shop.site: found 'moon', expected one of ['main']", id="a site that is not there"),
        pytest.param(SMALLEST.replace("clusters.shop", "clusters.Shop"),
                     "clusters.Shop: found 'Shop', expected a DNS label such as 'crdb'", id="a name that is no label"),
        pytest.param(SMALLEST.replace('team = "T1"', 'team = ""'), "team: found '', expected a text that is not empty",
                     id="no workspace"),
        pytest.param(SMALLEST.replace('channel = "C1"', 'channel = " "'), "clusters.shop.channel: found ' ', expected",
                     id="no channel"),
        pytest.param(SMALLEST + '[roles.operator]\npeople = [""]', "roles.operator.people.0: found '', expected a text",
                     id="an empty person"),
        pytest.param(SMALLEST + "[roles.viewer]\npeople = ['U1']", "roles.viewer: found a list, expected none",
                     id="a list of viewers, which would be ignored"),
        pytest.param(SMALLEST + "[approvals.node]\nrole = 'viewer'",
                     "approvals.node: role: found 'viewer', which the whole workspace holds", id="everybody approves"),
        pytest.param(SMALLEST + "[approvals.node]\napprovals = 0", "approvals.node.approvals: found 0, expected",
                     id="nobody approves"),
        pytest.param(SMALLEST + "[approvals.node]\nremind_minutes = [0]", "approvals.node.remind_minutes.0: found 0",
                     id="reminded at once"),
        pytest.param(SMALLEST + "[approvals.node]\nexpires_minutes = 0.01", "approvals.node.expires_minutes: found 0.0",
                     id="expired before anybody can look"),
        pytest.param(SMALLEST + "[approvals.node]\nexpires_minutes = inf", "approvals.node.expires_minutes: found inf",
                     id="open for ever"),
        pytest.param(SMALLEST + "[approvals.node]\nexpires_minutes = 30\nremind_minutes = [15, 30]",
                     "approvals.node: remind_minutes: found 30, expected less than expires_minutes, 30, since nobody",
                     id="reminded when it has expired"),
        pytest.param(SMALLEST + "[approvals.client]\nexpires_minutes = 0.5\nescalate_minutes = 1",
                     "approvals.client: escalate_minutes: found 1, expected less than expires_minutes, 0.5",
                     id="escalated when it has expired"),
        pytest.param(SMALLEST + "[approvals.node]\nremind_minutes = [40, 15]",
                     "approvals.node: remind_minutes: found [40, 15], expected rising numbers such as [15, 40]",
                     id="reminders out of order"),
        pytest.param(SMALLEST.replace("[sites.main]", "[sites.main]\nchannel = ''"), "sites.main.channel: found ''",
                     id="a site's channel without a name"),
        pytest.param(SMALLEST + "[certificates]\nleaf_days = 99999", "certificates.leaf_days: found 99999, expe",
                     id="a certificate for ever"),
        pytest.param(SMALLEST.replace("[sites.main]", "[sites.main]\nclient_signer = 'crdbops.internal/node'"),
                     "sites.main: found 'crdbops.internal/node' as node_signer and as client_signer", id="one signer"),
        pytest.param(SMALLEST.replace("[sites.main]", "[sites.main]\nnode_signer = 'kubernetes.io/kubelet-serving'"),
                     "sites.main.node_signer: found 'kubernetes.io/kubelet-serving', expected a signer of ours",
                     id="a signer of Kubernetes"),
        pytest.param(SMALLEST.replace("[sites.main]", "[sites.main]\nnode_signer = 'node'"),
                     "sites.main.node_signer: found 'node', expected a signer name such as", id="no signer name"),
        pytest.param(SMALLEST.replace("[sites.main]", "[sites.main]\ncluster_domain = '*'"),
                     "sites.main.cluster_domain: found '*', expected a DNS domain such as", id="a wildcard"),
        pytest.param(SMALLEST.replace('namespace = "crdb"', 'namespace = "crdbops-system"'),
                     "found 'crdbops-system', which holds the CA keys of site main", id="a cluster beside the CA keys"),
        pytest.param("images = 1\n" + SMALLEST.replace('[images]\nagent = "agent:1"', ""), "images: ", id="no table"),
    ],
)  # fmt: skip
def test_refuses_and_says_key_found_and_expected(text: str, said: str) -> None:
    assert said in _refused(text)


@pytest.mark.parametrize(
    ("minutes", "remind", "escalate"),
    [
        pytest.param("480", (15, 40), 50, id="longer"),
        pytest.param("45", (15, 40), None, id="before the escalation"),
        pytest.param("40", (15,), None, id="with the second reminder"),
        pytest.param("2", (), None, id="before everything"),
        pytest.param("0.1", (), None, id="seconds"),
    ],
)
def test_default_reminders_give_way_to_an_early_expiry(
    minutes: str, remind: tuple[float, ...], escalate: float | None
) -> None:
    rule = parse_configuration(SMALLEST + f"[approvals.node]\nexpires_minutes = {minutes}").approvals.node

    assert (rule.expires_minutes, rule.remind_minutes, rule.escalate_minutes) == (float(minutes), remind, escalate)
    assert ApprovalRule.model_validate_json(rule.model_dump_json()) == rule


def test_a_wrong_expiry_is_one_fault_and_not_three() -> None:
    message = _refused(SMALLEST + "[approvals.node]\nexpires_minutes = 0")

    assert message == "crdbops.toml: approvals.node.expires_minutes: found 0, expected greater than or equal to 0.05"


def test_what_the_file_says_in_whole_minutes_is_the_default_said_otherwise() -> None:
    said = "[approvals.node]\nexpires_minutes = 60\nremind_minutes = [15, 40]\nescalate_minutes = 50"

    assert parse_configuration(SMALLEST + said).fingerprint() == parse_configuration(SMALLEST).fingerprint()


def test_a_sites_channel_is_its_own_or_its_first_clusters() -> None:
    two = SMALLEST + SECOND.replace('"crdb"', '"other"').replace('"C1"', '"C2"')
    own = two.replace("[sites.main]", '[sites.main]\nchannel = "C9"\n[sites.empty]')

    assert parse_configuration(two).channel_of("main") == "C1"
    assert parse_configuration(own).channel_of("main") == "C9"
    assert parse_configuration(own).channel_of("empty") == ""


def test_all_faults_are_named_at_once() -> None:
    message = _refused(SMALLEST + "sise = 3\nnodes = 1\n[approvals.node]\napprovals = 9")

    assert all(key in message for key in ("clusters.shop.sise", "clusters.shop.nodes", "approvals.node.approvals"))


SECOND = """
[clusters.other]
site = "main"
namespace = "crdb"
channel = "C1"
version = "v25.2.3"
storage_class = "standard"
"""


def test_one_namespace_holds_one_cluster() -> None:
    assert "clusters.other.namespace: found 'crdb' which is shop's" in _refused(SMALLEST + SECOND)


def test_the_same_namespace_at_another_site_is_another_namespace() -> None:
    configuration = parse_configuration(SMALLEST + SECOND.replace('"main"', '"far"') + "[sites.far]")

    assert configuration.in_namespace(site="far", namespace="crdb") == configuration.ref("other")
    assert configuration.in_namespace(site="main", namespace="crdb") == configuration.ref("shop")
    assert configuration.in_namespace(site="main", namespace="default") is None


def test_an_unknown_cluster_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequestError, match="Found cluster 'shpo', expected one of: shop") as caught:
        parse_configuration(SMALLEST).ref("shpo")
    assert caught.value.code == "cluster.unknown"


def test_where_no_cluster_is_configured_none_is_offered() -> None:
    configuration = parse_configuration(SMALLEST.split("[clusters.shop]", maxsplit=1)[0] + "[clusters]")

    with pytest.raises(InvalidRequestError, match="expected one of: none"):
        configuration.ref("shop")


def test_a_first_deploys_spec_takes_what_was_asked_for_else_the_file() -> None:
    configuration = parse_configuration(SMALLEST)
    ref = configuration.ref("shop")

    plain = configuration.spec(ref, nodes=None, version=None, storage=None)
    asked = configuration.spec(ref, nodes=5, version="v25.4.0", storage="1Gi")
    assert (plain.nodes, plain.version, plain.storage) == (3, "v25.2.3", "100Gi")
    assert plain.database_image == "cockroachdb/cockroach:v25.2.3"
    assert (asked.nodes, asked.database_image, asked.storage) == (5, "cockroachdb/cockroach:v25.4.0", "1Gi")


def test_more_nodes_than_the_file_allows_are_refused() -> None:
    configuration = parse_configuration(SMALLEST)

    with pytest.raises(InvalidRequestError, match=r"Found nodes=10 for shop, expected at most 9\.") as caught:
        configuration.spec(configuration.ref("shop"), nodes=10, version=None, storage=None)
    assert caught.value.code == "deploy.too-many-nodes"


def test_as_many_nodes_as_the_file_allows_are_taken() -> None:
    configuration = parse_configuration(SMALLEST + "nodes = 5\nmax_nodes = 5")

    assert configuration.spec(configuration.ref("shop"), nodes=None, version=None, storage=None).nodes == 5
    assert configuration.spec(configuration.ref("shop"), nodes=5, version=None, storage=None).nodes == 5


@pytest.mark.parametrize(
    "signer", ["kubernetes.io/x", "certificates.kubernetes.io/x"], ids=["of Kubernetes", "of a part of Kubernetes"]
)
def test_no_signer_of_kubernetes_is_taken_for_ours(signer: str) -> None:
    assert "expected a signer of ours" in _refused(
        SMALLEST.replace("[sites.main]", f"[sites.main]\nclient_signer = {signer!r}")
    )


def test_the_files_hash_follows_its_meaning_and_not_its_order() -> None:
    sites = "[sites.b]\n[sites.a]\n"
    one, two = (
        parse_configuration(SMALLEST + sites),
        parse_configuration(SMALLEST + "[sites.a]\n# a comment\n[sites.b]"),
    )

    assert one.fingerprint() == two.fingerprint()
    assert one.fingerprint() != parse_configuration(SMALLEST).fingerprint()
    assert PolicySnapshot.of(one).configuration_hash == one.fingerprint()


def test_the_signing_policy_knows_nothing_of_channels_roles_and_resources() -> None:
    ref = ClusterRef(site="main", namespace="crdb", cluster="shop")
    one = SigningPolicy.of(parse_configuration(SMALLEST), ref)
    changed = SMALLEST.replace('"C1"', '"C2"') + 'cpu = "4"\nnodes = 5\n[roles.operator]\npeople = ["U1"]'

    assert SigningPolicy.of(parse_configuration(changed), ref).fingerprint() == one.fingerprint()
    assert SigningPolicy.of(parse_configuration(SMALLEST + "[certificates]\nleaf_days=1"), ref) != one


def test_the_signing_policy_tells_kinds_and_accounts() -> None:
    policy = SigningPolicy.of(parse_configuration(SMALLEST), ClusterRef(site="main", namespace="crdb", cluster="shop"))

    assert policy.kind_of("crdbops.internal/node") == "node"
    assert policy.kind_of("crdbops.internal/client") == "client"
    assert policy.kind_of("crdbops.internal/other") is None
    assert policy.accounts() == (
        "system:serviceaccount:crdb:cockroachdb",
        "system:serviceaccount:crdb:cockroachdb-client",
    )


def test_the_example_file_is_read() -> None:
    configuration = parse_configuration(EXAMPLE.read_text())

    assert configuration.ref("shop").namespace == "crdb-shop"
    assert configuration.approvals.client_root.approvals == 2


def test_what_the_example_comments_out_is_the_default() -> None:
    given = parse_configuration(EXAMPLE.read_text())
    lines = [line.removeprefix("# ") if " = " in line else line for line in EXAMPLE.read_text().splitlines()]

    assert parse_configuration("\n".join(lines)) == given


TABLES: dict[str, type[BaseModel]] = {
    "": Configuration,
    "images": Images,
    "sites.NAME": Site,
    "clusters.NAME": Cluster,
    "clusters.NAME.scale": Scales,
    "clusters.NAME.upgrade": Upgrades,
    "roles.ROLE": Role,
    "operations.OPERATION": OperationRule,
    "approvals": Approvals,
    "approvals.KIND": ApprovalRule,
    "certificates": Certificates,
}


def _sections(text: str) -> dict[str, str]:
    parts = text.split("\n## ")
    return {part.split("\n", 1)[0].strip("`[]"): part for part in parts[1:]}


@pytest.mark.parametrize(("table", "model"), TABLES.items(), ids=[name or "top" for name in TABLES])
def test_the_page_describes_every_key(table: str, model: type[BaseModel]) -> None:
    section = _sections(PAGE.read_text()).get(table or "Top level", "")

    missing = [
        f"| `{name}` | {field.description} |"
        for name, field in model.model_fields.items()
        if f"| `{name}` |" not in section
    ]
    assert not missing, f"{PAGE.name}, section {table or 'Top level'}: add\n" + "\n".join(missing)


def test_every_key_has_a_description() -> None:
    bare = [f"{model.__name__}.{name}" for model in TABLES.values() for name, field in model.model_fields.items()
            if not field.description]  # fmt: skip

    assert bare == []


def test_the_pages_example_is_the_smallest_file_that_works() -> None:
    block = PAGE.read_text().split("```toml\n", 1)[1].split("```", 1)[0]

    assert parse_configuration(block).team
    assert set(tomllib.loads(block)) == {"team", "images", "sites", "clusters", "roles"}
