"""The catalogue: every entry complete, its example possible, its names in one piece; queues and ids; request hashes."""

from __future__ import annotations

import re
import shlex
from itertools import groupby

import pytest
from pydantic import ValidationError

from domain.configuration import parse_configuration
from domain.errors import InvalidRequestError
from domain.model import ClusterRef
from operations import CATALOGUE, check_rules, find, messages, queues
from operations.base import ClusterRequest, Operation, request_hash
from operations.decide import DenyRequest
from operations.deploy import DeployRequest

REF = ClusterRef(site="main", namespace="crdb", cluster="shop")
ENTRIES = pytest.mark.parametrize("entry", CATALOGUE, ids=[entry.name for entry in CATALOGUE])


def test_names_are_unique_and_found() -> None:
    names = [entry.name for entry in CATALOGUE]

    assert len(set(names)) == len(names)
    assert [find(name) for name in names] == list(CATALOGUE)
    assert find("delpoy") is None


def test_help_shows_an_entry_on_its_own_line_or_on_the_one_before_it() -> None:
    lines = [entry.beside or entry.name for entry in CATALOGUE]

    assert [name for name, _ in groupby(lines)] == [entry.name for entry in CATALOGUE if not entry.beside]


@ENTRIES
def test_an_entry_is_complete(entry: Operation) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", entry.name)
    assert entry.summary
    assert entry.summary[0].islower()
    assert not entry.summary.endswith(".")
    assert entry.example.startswith(f"/crdb {entry.name}")


@ENTRIES
def test_what_changes_or_looks_has_a_workflow_and_the_rest_has_none(entry: Operation) -> None:
    expected = {"change": entry.name.title().replace("-", ""), "look": "Look"}.get(entry.kind, "")

    assert entry.workflow == expected


@ENTRIES
def test_changes_and_looks_are_about_a_cluster(entry: Operation) -> None:
    assert issubclass(entry.request, ClusterRequest) or entry.kind in ("decision", "talk")


@ENTRIES
def test_nobody_but_a_viewer_is_needed_to_look_and_never_a_viewer_to_change(entry: Operation) -> None:
    assert (entry.role == "viewer") == (entry.kind in ("look", "talk"))


@ENTRIES
def test_every_field_has_its_help_text(entry: Operation) -> None:
    bare = [name for name, field in entry.request.model_fields.items() if not field.description]

    assert bare == [], f"{entry.request.__name__}: add Field(description=...) to {bare}"


@ENTRIES
def test_an_example_works_as_it_stands(entry: Operation) -> None:
    """Words by position fill required fields in order, `name=value` the named one; the channel gives the cluster."""
    fields = entry.request.model_fields
    words = shlex.split(entry.example)[2:]
    named = dict(word.split("=", 1) for word in words if "=" in word)
    free = [name for name in fields if name != "ref" and name not in named]
    given = named | dict(zip(free, (word for word in words if "=" not in word), strict=False))

    request = entry.request.model_validate(given | ({"ref": REF} if "ref" in fields else {}))
    assert request.model_fields_set >= set(given)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"nodes": 2}, id="two nodes"),
        pytest.param({"nodes": 100}, id="a hundred nodes"),
        pytest.param({"version": "25.2"}, id="half a version"),
        pytest.param({"storage": "10"}, id="no unit"),
        pytest.param({"color": "red"}, id="an argument nobody knows"),
    ],
)
def test_deploy_refuses_what_cannot_be(asked: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DeployRequest.model_validate({"ref": REF, **asked})


def test_a_denial_needs_its_reason() -> None:
    with pytest.raises(ValidationError, match="reason"):
        DenyRequest.model_validate({"id": "ab12cd34", "reason": "no"})


def test_the_request_hash_names_operation_and_everything_asked_for() -> None:
    one = DeployRequest(ref=REF, nodes=3)
    others = [
        request_hash("deploy", one.model_copy(update={"nodes": 5})),
        request_hash("deploy", one.model_copy(update={"plan": True})),
        request_hash("deploy", one.model_copy(update={"ref": REF.model_copy(update={"cluster": "other"})})),
        request_hash("scale", one),
    ]

    assert request_hash("deploy", one) == request_hash("deploy", DeployRequest(nodes=3, ref=REF))
    assert request_hash("deploy", one) not in others
    assert len(set(others)) == len(others)


def test_update_names_are_the_verbs_of_tokens() -> None:
    names = {messages.APPROVE, messages.DENY, messages.ASK_AGAIN, messages.CANCEL, messages.RETARGET}
    names |= {messages.PAUSE, messages.RESUME}

    assert names == set(messages.TOKEN_FIELDS) - {"start"}


def test_queues_and_ids_are_what_other_processes_and_old_histories_know() -> None:
    assert queues.ops_queue("main") == "crdb-ops-main"
    assert queues.signer_queue("main") == "crdb-signer-main"
    assert queues.CHAT_QUEUE == "crdb-chat"
    assert queues.change_id(REF) == "crdb/main/crdb/shop/change"
    assert queues.certify_id(site="main", name="crdb.node.cockroachdb-0", uid="u") == (
        "crdb/main/csr/crdb.node.cockroachdb-0/u"
    )
    assert queues.look_id(site="main", request_id="r") == "crdb/main/look/r"
    assert queues.strangers_id("main") == "crdb/main/strangers"
    assert queues.crowd_id(REF) == "crdb/main/crdb/shop/crowd"
    assert queues.announce_id(workflow_id="crdb/main/x", run_id="r") == "crdb/main/x/announce/r"


def test_no_two_clusters_share_a_lock() -> None:
    refs = [
        ClusterRef(site=site, namespace=namespace, cluster=cluster)
        for site, namespace, cluster in (("a", "b", "c"), ("a", "b", "d"), ("a", "c", "c"), ("b", "b", "c"))
    ]  # fmt: skip

    assert len({queues.change_id(ref) for ref in refs}) == len(refs)


def test_search_attributes_are_ours_and_typed() -> None:
    assert all(name.startswith("Crdb") for name in queues.SEARCH_ATTRIBUTES)
    assert set(queues.SEARCH_ATTRIBUTES.values()) == {"Keyword", "KeywordList"}


FILE = """
team = "T1"
[images]
agent = "agent:1"
[sites]
[clusters]
"""


def test_rules_of_operations_that_exist_are_taken() -> None:
    check_rules(parse_configuration(FILE + "[operations.deploy]\nask = 'approver'\n[operations.status]"))


def test_a_rule_of_an_operation_that_does_not_exist_is_refused_since_it_would_leave_the_default() -> None:
    with pytest.raises(InvalidRequestError, match="found rules for delpoy, scael, expected operations among deploy, "):
        check_rules(parse_configuration(FILE + "[operations.scael]\n[operations.delpoy]"))
