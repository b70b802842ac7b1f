"""What a deploy may do: every refusal, all of them at once, and what it does where nothing speaks against it."""

from __future__ import annotations

import pytest

from domain.preflight import DeployFacts, DeployPlan, Leftover, LiveSet, SignerFacts, plan_deploy
from tests.domain.given import REF, SPEC

LIVE = LiveSet(
    replicas=3, ready=3, database_image=SPEC.database_image, agent_image=SPEC.agent_image, storage=SPEC.storage
)
FRESH = DeployFacts(server_version="v1.34.2", pod_security="restricted", room=3, policy_hash="p" * 64)
#: The cluster stands: recorded, all nodes ready, the client pod there, its CA published.
STANDING = FRESH.model_copy(
    update={
        "recorded": SPEC,
        "live": LIVE,
        "has_client_pod": True,
        "volumes": ("datadir-cockroachdb-0",),
        "ca_fingerprint": "c" * 64,
        "room": 0,
    }
)
SIGNER = SignerFacts(policy_hash="p" * 64)
SIGNER_WITH_CA = SIGNER.model_copy(update={"ca_fingerprint": "c" * 64})


def _plan(facts: DeployFacts, signer: SignerFacts = SIGNER, **asked: object) -> DeployPlan:
    return plan_deploy(REF, SPEC, facts, signer, asked=asked)


def _codes(plan: DeployPlan) -> list[str]:
    return [reason.code for reason in plan.verdict.reasons]


def _fresh(**changes: object) -> DeployFacts:
    return FRESH.model_copy(update=changes)


def _standing(**changes: object) -> DeployFacts:
    return STANDING.model_copy(update=changes)


NOT_OURS = Leftover(kind="Service", name="cockroachdb-public", is_ours=False, detail="managed by Helm")
OURS = Leftover(kind="Service", name="cockroachdb", is_ours=True)


@pytest.mark.parametrize(
    ("facts", "code", "found"),
    [
        pytest.param(_fresh(server_version="v1.21.14"), "deploy.old-server", "v1.21.14", id="a server too old"),
        pytest.param(_fresh(server_version=""), "deploy.old-server", "no version", id="a server without a version"),
        pytest.param(_fresh(server_version="vX.Y"), "deploy.old-server", "vX.Y", id="a version that is none"),
        pytest.param(_fresh(server_version="v1.²"), "deploy.old-server", "v1.²", id="a version in superscript"),
        pytest.param(_fresh(server_version="1"), "deploy.old-server", "1", id="half a version"),
        pytest.param(_fresh(missing_rules=("create pods",)), "deploy.missing-right", "no create pods", id="no right"),
        pytest.param(_fresh(has_namespace=False), "deploy.no-namespace", "no crdb", id="no namespace"),
        pytest.param(
            _fresh(pod_security=""), "deploy.pod-security", "pod-security.kubernetes.io/enforce=not set",
            id="Pod Security not set",
        ),
        pytest.param(
            _fresh(pod_security="baseline"), "deploy.pod-security", "pod-security.kubernetes.io/enforce=baseline",
            id="Pod Security too weak",
        ),
        pytest.param(
            _fresh(has_storage_class=False), "deploy.no-storage-class", "no standard", id="no storage class"
        ),
        pytest.param(
            _fresh(room=2), "deploy.no-room", "room for 2 pods of 2 CPU and 8Gi", id="room for two nodes of three"
        ),
        pytest.param(
            _fresh(other_instances=("other",)), "deploy.second-cluster", "cluster other", id="a second cluster"
        ),
        pytest.param(_fresh(leftovers=(NOT_OURS,)), "deploy.not-ours", "managed by Helm", id="not ours under our name"),
        pytest.param(
            _fresh(leftovers=(NOT_OURS.model_copy(update={"detail": ""}),)), "deploy.not-ours", "no label of ours",
            id="not ours, without a word",
        ),
        pytest.param(_fresh(policy_hash="q" * 64), "policy.differs", "ops qqqqqqqqqqqq, signer pppppppppppp",
                     id="another signing policy"),
        pytest.param(_fresh(ca_fingerprint="c" * 64), "ca.missing", "none", id="a published CA whose key is gone"),
    ],
)  # fmt: skip
def test_a_first_deploy_is_refused(facts: DeployFacts, code: str, found: str) -> None:
    plan = _plan(facts)

    assert _codes(plan) == [code]
    assert plan.verdict.reasons[0].found == found


def test_volumes_without_a_stateful_set_are_an_earlier_clusters_data() -> None:
    plan = _plan(_fresh(volumes=("datadir-cockroachdb-0", "datadir-cockroachdb-1")), SIGNER_WITH_CA)

    assert _codes(plan) == ["deploy.leftover-volumes"]
    assert plan.verdict.reasons[0].found == "datadir-cockroachdb-0, datadir-cockroachdb-1"


def test_a_stateful_set_without_a_recorded_spec_is_not_taken_over() -> None:
    assert _codes(_plan(_standing(recorded=None, room=3), SIGNER_WITH_CA)) == ["deploy.no-record"]


@pytest.mark.parametrize(
    ("facts", "signer", "code"),
    [
        pytest.param(_standing(), SIGNER, "ca.missing", id="the signer lost the key of the published CA"),
        pytest.param(
            _standing(), SIGNER.model_copy(update={"ca_fingerprint": "d" * 64}), "ca.differs",
            id="the signer holds another CA",
        ),
        pytest.param(
            _standing(ca_fingerprint=""), SIGNER, "ca.missing", id="neither key nor certificate, while nodes exist"
        ),
        pytest.param(
            _standing(), SIGNER_WITH_CA.model_copy(update={"missing_rules": ("sign",)}), "deploy.missing-right",
            id="the signer lacks a right",
        ),
        pytest.param(
            _standing(), SIGNER_WITH_CA.model_copy(update={"policy_hash": "q"}), "policy.differs", id="another policy",
        ),
    ],
)  # fmt: skip
def test_resuming_is_refused(facts: DeployFacts, signer: SignerFacts, code: str) -> None:
    assert _codes(_plan(facts, signer)) == [code]


def test_volumes_without_any_ca_refuse_twice() -> None:
    plan = _plan(_fresh(volumes=("datadir-cockroachdb-0",)))

    assert _codes(plan) == ["deploy.leftover-volumes", "ca.missing"]
    assert plan.expected_ca == "unknown"


def test_all_refusals_come_at_once() -> None:
    facts = DeployFacts(
        server_version="v1.20.0", missing_rules=("a", "b"), pod_security="privileged", has_storage_class=False,
        room=0, leftovers=(NOT_OURS, OURS), other_instances=("x", "y"), volumes=("datadir-cockroachdb-0",),
        policy_hash="1",
    )  # fmt: skip

    assert _codes(_plan(facts, SIGNER.model_copy(update={"missing_rules": ("c",)}))) == [
        "deploy.old-server", "deploy.missing-right", "deploy.missing-right", "deploy.missing-right", "policy.differs",
        "deploy.pod-security", "deploy.no-storage-class", "deploy.no-room", "deploy.second-cluster",
        "deploy.second-cluster", "deploy.not-ours", "deploy.leftover-volumes", "ca.missing",
    ]  # fmt: skip


@pytest.mark.parametrize("version", ["v1.22.0", "v1.34.2", "1.30+", "v1.31.5-gke.100", "v1.29+k3s1", "v2.0.0"])
def test_servers_that_are_new_enough(version: str) -> None:
    assert _plan(_fresh(server_version=version)).verdict.is_yes


def test_a_first_deploy_says_what_it_will_do() -> None:
    plan = _plan(FRESH)

    assert (plan.verdict.is_yes, plan.mode, plan.expected_ca, plan.drift) == (True, "first", "none", ())
    assert plan.spec == SPEC.model_copy(update={"init_target": 0})
    assert "send init to node 0 once; this cannot be undone" in plan.lines
    assert "apply services, accounts, budget, 3 nodes of v25.2.3 with 100Gi each" in plan.lines


def test_a_first_deploy_that_stopped_after_its_ca_was_made_goes_on_with_that_ca() -> None:
    assert _plan(FRESH, SIGNER_WITH_CA).expected_ca == "none"
    assert _plan(_fresh(ca_fingerprint="c" * 64), SIGNER_WITH_CA).expected_ca == "c" * 64
    assert _plan(_fresh(ca_fingerprint="c" * 64), SIGNER_WITH_CA).verdict.is_yes


def test_leftovers_of_ours_are_resumed() -> None:
    assert _plan(_fresh(leftovers=(OURS,))).verdict.is_yes


def test_a_lost_ca_certificate_is_published_again_and_never_replaced() -> None:
    plan = _plan(_standing(ca_fingerprint=""), SIGNER_WITH_CA)

    assert plan.verdict.is_yes
    assert plan.expected_ca == "c" * 64


def test_where_the_cluster_stands_there_is_nothing_to_do() -> None:
    plan = _plan(STANDING, SIGNER_WITH_CA)

    assert (plan.verdict.is_yes, plan.mode) == (True, "nothing")
    assert plan.lines == ("nothing: shop stands with 3 nodes of v25.2.3",)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(_standing(live=LIVE.model_copy(update={"ready": 2})), id="a node is not ready"),
        pytest.param(_standing(live=LIVE.model_copy(update={"ready": 0, "replicas": 0})), id="no nodes at all"),
        pytest.param(_standing(has_client_pod=False), id="the client pod is missing"),
    ],
)
def test_what_is_not_complete_is_resumed(facts: DeployFacts) -> None:
    plan = _plan(facts, SIGNER_WITH_CA)

    assert (plan.verdict.is_yes, plan.mode) == (True, "resume")


def test_an_existing_cluster_keeps_its_recorded_spec_and_needs_no_room() -> None:
    recorded = SPEC.model_copy(update={"nodes": 5, "version": "v25.4.0"})
    plan = _plan(_standing(recorded=recorded, room=0), SIGNER_WITH_CA)

    assert plan.spec == recorded
    assert "deploy.no-room" not in _codes(plan)


@pytest.mark.parametrize(
    ("asked", "codes", "hint"),
    [
        pytest.param({"nodes": 5}, ["deploy.use-scale"], "the cluster exists: use /crdb scale 5", id="other nodes"),
        pytest.param(
            {"version": "v25.4.0"}, ["deploy.use-upgrade"], "the cluster exists: use /crdb upgrade v25.4.0",
            id="another version",
        ),
        pytest.param({"storage": "1Gi"}, ["deploy.storage-fixed"], "not changed", id="other storage"),
        pytest.param(
            {"nodes": 4, "version": "v1.0.0", "storage": "1Gi"},
            ["deploy.use-scale", "deploy.use-upgrade", "deploy.storage-fixed"], "the cluster exists: use /crdb scale 4",
            id="everything other",
        ),
    ],
)  # fmt: skip
def test_an_argument_that_differs_from_the_record_is_refused_naming_the_right_command(
    asked: dict[str, object], codes: list[str], hint: str
) -> None:
    plan = _plan(STANDING, SIGNER_WITH_CA, **asked)

    assert _codes(plan) == codes
    assert plan.verdict.reasons[0].hint == hint


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"nodes": 3, "version": "v25.2.3", "storage": "100Gi"}, id="as recorded"),
        pytest.param({"nodes": None, "version": None, "storage": None}, id="nothing asked"),
    ],
)
def test_arguments_that_equal_the_record_are_fine(asked: dict[str, object]) -> None:
    assert _plan(STANDING, SIGNER_WITH_CA, **asked).verdict.is_yes


def test_arguments_of_a_first_deploy_are_its_spec_and_compared_with_nothing() -> None:
    assert _plan(FRESH, nodes=7).verdict.is_yes


def test_drift_is_said_and_changes_nothing() -> None:
    live = LiveSet(replicas=5, ready=5, database_image="x:1", agent_image="y:1", storage="1Gi")
    plan = _plan(_standing(live=live), SIGNER_WITH_CA)

    assert plan.verdict.is_yes
    assert plan.spec == SPEC
    assert plan.drift == (
        "nodes: recorded 3, found 5",
        "database image: recorded local.invalid/cockroach:v25.2.3, found x:1",
        "agent image: recorded local.invalid/crdbops-agent:1, found y:1",
        "storage: recorded 100Gi, found 1Gi",
    )


def test_no_drift_where_all_is_as_recorded_or_nothing_is_there_to_compare() -> None:
    assert _plan(STANDING, SIGNER_WITH_CA).drift == ()
    assert _plan(FRESH).drift == ()
    assert _plan(_standing(live=None, volumes=()), SIGNER_WITH_CA).drift == ()
