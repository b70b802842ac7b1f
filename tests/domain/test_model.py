"""Values: labels, versions, sizes, names that are built from them, and who is the same person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import BaseModel, ValidationError

from domain.errors import BrokenError, NotReadyError, OpsError, RefusedError, TransientError
from domain.model import ClusterRef, Label, NodeRef, Person, Size, Version, size_bytes, version_key
from domain.verdict import Reason, Verdict
from tests.domain.given import REF, SPEC


class Values(BaseModel):
    label: Label = "a"
    version: Version = "v1.0.0"
    size: Size = "1Gi"


@pytest.mark.parametrize(
    "label",
    [
        pytest.param("", id="empty"),
        pytest.param("-a", id="dash in front"),
        pytest.param("a-", id="dash behind"),
        pytest.param("A", id="capital"),
        pytest.param("a.b", id="dot"),
        pytest.param("a/b", id="slash, which parts a workflow id"),
        pytest.param("a" * 64, id="64 characters"),
        pytest.param("crdb\n", id="line break behind"),
        pytest.param("crdb٣", id="a digit of another script"),
        pytest.param("é", id="a letter beyond ASCII"),
    ],
)
def test_refuses_what_is_no_label(label: str) -> None:
    with pytest.raises(ValidationError, match="expected a DNS label such as 'crdb'"):
        Values(label=label)


@pytest.mark.parametrize("label", ["a", "0", "a-b", "a" * 63, "x--y"])
def test_takes_labels(label: str) -> None:
    assert Values(label=label).label == label


@pytest.mark.parametrize(
    "version",
    [
        pytest.param("25.2.3", id="no v"),
        pytest.param("v25.2", id="no patch"),
        pytest.param("v25.2.3.4", id="a fourth number"),
        pytest.param("v25.2.3-rc.1", id="a pre-release"),
        pytest.param("latest", id="a moving tag"),
        pytest.param("v25.2.3\n", id="line break behind"),
        pytest.param(" v25.2.3", id="space in front"),
        pytest.param("v25.02.3", id="leading zero"),
        pytest.param("v2٥.2.3", id="a digit of another script"),
        pytest.param("v25.2.²", id="a superscript digit"),
        pytest.param("v" + "9" * 5000 + ".1.1", id="more digits than an integer is read from"),
    ],
)
def test_refuses_what_is_no_release(version: str) -> None:
    with pytest.raises(ValidationError, match=r"expected a full release such as 'v25\.2\.3'"):
        Values(version=version)
    with pytest.raises(ValueError, match="expected a full release"):
        version_key(version)


def test_releases_are_ordered_by_number_and_not_by_letter() -> None:
    assert sorted(["v25.10.0", "v25.2.10", "v25.2.9", "v9.0.0"], key=version_key) == [
        "v9.0.0", "v25.2.9", "v25.2.10", "v25.10.0",
    ]  # fmt: skip
    assert version_key("v25.2.3") == (25, 2, 3)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param("", id="empty"),
        pytest.param("0Gi", id="nothing"),
        pytest.param("10", id="no unit"),
        pytest.param("10G", id="a decimal unit"),
        pytest.param("1.5Gi", id="a fraction"),
        pytest.param("10Gi\n", id="line break behind"),
        pytest.param("-1Gi", id="less than nothing"),
        pytest.param("1٠Gi", id="a digit of another script"),
        pytest.param("1" * 5000 + "Gi", id="more digits than an integer is read from"),
    ],
)
def test_refuses_what_is_no_size(size: str) -> None:
    with pytest.raises(ValidationError, match="expected a size such as '1Gi' or '100Gi'"):
        Values(size=size)
    with pytest.raises(ValueError, match="expected a size"):
        size_bytes(size)


@pytest.mark.parametrize(
    ("size", "expected"), [("1Mi", 1048576), ("8Gi", 8589934592), ("2Ti", 2199023255552)], ids=["Mi", "Gi", "Ti"]
)
def test_counts_the_bytes_of_a_size(size: str, expected: int) -> None:
    assert size_bytes(size) == expected


def test_names_of_a_clusters_objects_come_from_its_reference() -> None:
    assert str(REF) == "main/crdb/shop"
    assert REF.ca_config_map == "shop-ca"
    assert REF.ca_secret == "crdb.shop.ca"
    assert REF.client_secret == "crdb.client.root"
    assert REF.certagent_binding == "crdb.shop.certagent"


def test_no_two_clusters_share_a_ca_secret() -> None:
    one = ClusterRef(site="s", namespace="a-b", cluster="c")
    two = ClusterRef(site="s", namespace="a", cluster="b-c")

    assert one.ca_secret != two.ca_secret


def test_a_node_has_its_pods_name_and_address() -> None:
    node = NodeRef(ordinal=2)

    assert node.pod == "cockroachdb-2"
    assert node.address(namespace="crdb", domain="cluster.local") == "cockroachdb-2.cockroachdb.crdb.svc.cluster.local"


def test_a_node_has_no_ordinal_below_zero() -> None:
    with pytest.raises(ValidationError):
        NodeRef(ordinal=-1)


def test_values_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(SPEC, "nodes", 5)  # noqa: B010


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        pytest.param(Person(team="T1", id="U1", name="Other name", groups=("S9",)), True, id="by another name"),
        pytest.param(Person(team="T2", id="U1", name="Alice"), False, id="of another workspace"),
        pytest.param(Person(team="T1", id="U2", name="Alice"), False, id="of the same name"),
    ],
)
def test_a_person_is_known_by_workspace_and_id(other: Person, is_same: bool) -> None:
    assert Person(team="T1", id="U1", name="Alice").is_same_as(other) is is_same


REASON = Reason(code="deploy.no-room", field="room", found="2", expected="3")


def test_a_verdict_without_reasons_is_yes_and_lets_pass() -> None:
    Verdict().require("x.y", "Refused")

    assert Verdict().is_yes


def test_a_verdict_with_reasons_raises_with_all_of_them() -> None:
    second = REASON.model_copy(update={"code": "deploy.no-namespace", "field": "namespace", "hint": "make it"})
    verdict = Verdict(reasons=(REASON, second))

    with pytest.raises(RefusedError) as caught:
        verdict.require("deploy.refused", "Deploy is refused", hint="See all.")

    assert not verdict.is_yes
    assert caught.value.code == "deploy.refused"
    assert caught.value.hint == "See all."
    assert caught.value.message == (
        "Deploy is refused: room: found 2, expected 3; namespace: found 2, expected 3 (make it)"
    )
    assert caught.value.details == {"reasons": ["deploy.no-room", "deploy.no-namespace"]}


def test_an_error_says_sentence_code_and_hint() -> None:
    assert str(BrokenError("a.b", "It broke.")) == "It broke. [a.b]"
    assert str(BrokenError("a.b", "It broke.", hint="Look.")) == "It broke. [a.b] Hint: Look."


def test_errors_that_are_tried_again_say_when() -> None:
    later = timedelta(seconds=5)
    errors: list[OpsError] = [
        NotReadyError("a.b", "Not yet.", retry_after=later, node=1),
        TransientError("a.b", "Net."),
    ]

    assert errors[0].details == {"node": 1}
    assert [getattr(error, "retry_after", "") for error in errors] == [later, None]
