from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.cards.failure import failure_message
from bot.command import Command, CommandError, parse
from bot.text import clean, words
from devtools.console import check_message
from domain.model import ClusterRef
from operations import CATALOGUE
from operations.decide import DenyRequest
from operations.deploy import DeployRequest
from operations.finalize import FinalizeRequest
from operations.rollback import RollbackRequest
from operations.upgrade import UpgradeRequest
from tests.bot import given as g

CONFIGURATION = g.configuration()


def read(text: str, channel: str = "C0OPS") -> Command:
    return parse(text, configuration=CONFIGURATION, channel=channel)


def fault(text: str, channel: str = "C0OPS") -> CommandError:
    with pytest.raises(CommandError) as caught:
        read(text, channel)
    return caught.value


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        pytest.param("deploy", DeployRequest(ref=g.REF), id="the channel's own cluster"),
        pytest.param("DEPLOY crdb", DeployRequest(ref=g.REF), id="verbs in any case"),
        pytest.param("deploy nodes=5", DeployRequest(ref=g.REF, nodes=5), id="key=value"),
        pytest.param("deploy --nodes 5", DeployRequest(ref=g.REF, nodes=5), id="--key value"),
        pytest.param("deploy --nodes=5", DeployRequest(ref=g.REF, nodes=5), id="--key=value"),
        pytest.param("deploy crdb —nodes 5", DeployRequest(ref=g.REF, nodes=5), id="a long dash for two hyphens"),
        pytest.param("deploy –plan", DeployRequest(ref=g.REF, plan=True), id="a short dash for two hyphens"),
        pytest.param("deploy --plan", DeployRequest(ref=g.REF, plan=True), id="a switch"),
        pytest.param("deploy --plan crdb", DeployRequest(ref=g.REF, plan=True), id="a switch takes no value"),
        pytest.param("deploy plan=no", DeployRequest(ref=g.REF), id="a switch written out"),
        pytest.param(
            "deploy\u00a0version=v25.2.3\u202fstorage=“1Gi”",
            DeployRequest(ref=g.REF, version="v25.2.3", storage="1Gi"),
            id="unusual spaces and quotes",
        ),
        pytest.param("`deploy`", DeployRequest(ref=g.REF), id="backticks around it"),
        pytest.param("de\u200bploy", DeployRequest(ref=g.REF), id="a zero-width space"),
        pytest.param(
            "deploy shop",
            DeployRequest(ref=ClusterRef(site="dev", namespace="shop", cluster="shop")),
            id="another channel's cluster by name",
        ),
        pytest.param(
            "deploy cluster=Shop",
            DeployRequest(ref=ClusterRef(site="dev", namespace="shop", cluster="shop")),
            id="the cluster as a key",
        ),
        pytest.param(
            "upgrade v25.4.1 backup=taken",
            UpgradeRequest(ref=g.REF, version="v25.4.1", backup="taken"),
            id="a release by its place",
        ),
        pytest.param(
            "upgrade crdb version=v25.4.1 --backup none --plan",
            UpgradeRequest(ref=g.REF, version="v25.4.1", backup="none", plan=True),
            id="a release by its name",
        ),
        pytest.param("finalize crdb", FinalizeRequest(ref=g.REF), id="finalize"),
        pytest.param("rollback --plan", RollbackRequest(ref=g.REF, plan=True), id="rollback"),
        pytest.param('deny ab12cd34 "wrong pod"', DenyRequest(id="ab12cd34", reason="wrong pod"), id="words in quotes"),
        pytest.param(
            "deny ab12cd34 “it isn’t ours”", DenyRequest(id="ab12cd34", reason="it isn't ours"), id="an apostrophe"
        ),
        pytest.param(
            'deny ab12cd34 "<@U0ADA|ada> &amp; me"', DenyRequest(id="ab12cd34", reason="U0ADA & me"), id="mentions"
        ),
    ],
)
def test_reads_what_a_person_means(text: str, request_: object) -> None:
    assert read(text).request == request_


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_example_works_as_it_stands(entry: object) -> None:
    assert read(entry.example.removeprefix("/crdb")).operation is entry  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["", "   ", "help", "?", "--help", "\u200b"])
def test_nothing_and_help_are_help(text: str) -> None:
    assert read(text).operation.name == "help"


@pytest.mark.parametrize(
    ("text", "channel", "code", "told"),
    [
        pytest.param("deplyo", "C0OPS", "command.unknown", "did you mean /crdb deploy nodes=3?", id="nearest verb"),
        pytest.param("xyzzy", "C0OPS", "command.unknown", "/crdb help", id="no verb is near"),
        pytest.param("help deplyo", "C0OPS", "command.unknown", "did you mean", id="help for no verb"),
        pytest.param("deploy", "C0GEN", "command.no-cluster", "cart, crdb, shop", id="a channel without a cluster"),
        pytest.param("status", "D0ERIN", "command.no-cluster", "type /crdb status cart", id="a direct message"),
        pytest.param("status", "C0PRV", "command.no-cluster", "cart, shop", id="a channel with two clusters"),
        pytest.param("deploy cluster=shp", "C0OPS", "cluster.unknown", "did you mean shop?", id="unknown cluster"),
        pytest.param("deploy crdb2", "C0OPS", "command.surplus", "did you mean crdb?", id="a name that is none"),
        pytest.param("deploy 3", "C0OPS", "command.surplus", "nodes=3", id="a bare number"),
        pytest.param("deploy node=3", "C0OPS", "command.unknown-argument", "did you mean nodes?", id="misspelt key"),
        pytest.param("deploy --nodes", "C0OPS", "command.missing-value", "--nodes VALUE", id="no value"),
        pytest.param("deploy --nodes --plan", "C0OPS", "command.missing-value", "--nodes", id="a key for a value"),
        pytest.param("deploy nodes=3 nodes=4", "C0OPS", "command.twice", "nodes twice", id="twice"),
        pytest.param("deploy crdb cluster=shop", "C0OPS", "command.twice", "two clusters", id="two clusters"),
        pytest.param("deploy nodes=2", "C0OPS", "command.bad-value", "expected at least 3", id="too few"),
        pytest.param("deploy nodes=many", "C0OPS", "command.bad-value", "nodes: found 'many'", id="no number"),
        pytest.param("deploy nodes=many", "C0OPS", "command.bad-value", "a whole number", id="what a number is"),
        pytest.param("deploy version=25.2", "C0OPS", "command.bad-value", "a full release", id="a half release"),
        pytest.param("deploy storage=1TB", "C0OPS", "command.bad-value", "a size such as", id="no size"),
        pytest.param("upgrade", "C0OPS", "command.bad-value", "version: found nothing", id="no release"),
        pytest.param("upgrade latest", "C0OPS", "command.bad-value", "found 'latest', expected a full", id="latest"),
        pytest.param("upgrade 24", "C0OPS", "command.bad-value", "found '24', expected a full release", id="a year"),
        pytest.param("upgrade v24.1", "C0OPS", "command.bad-value", "found 'v24.1', expected a full", id="no patch"),
        pytest.param("upgrade 24.1.5", "C0OPS", "command.bad-value", "/crdb upgrade v25.4.1", id="without its v"),
        pytest.param(
            "upgrade v25.4.1 now", "C0OPS", "command.surplus", "Found 'now', expected a", id="a word too many"
        ),
        pytest.param(
            "upgrade v25.4.1 backup=yes", "C0OPS", "command.bad-value", "expected 'taken' or 'none'", id="a backup"
        ),
        pytest.param("upgrade v25.4.1 --force", "C0OPS", "command.unknown-argument", "'force'", id="by force"),
        pytest.param("finalize v25.4.1", "C0OPS", "command.surplus", "'v25.4.1'", id="finalize takes no release"),
        pytest.param("rollback v25.2.3", "C0OPS", "command.surplus", "'v25.2.3'", id="rollback takes no release"),
        pytest.param("finalise", "C0OPS", "command.unknown", "did you mean /crdb finalize?", id="the other spelling"),
        pytest.param("deny ab12cd34", "C0OPS", "command.bad-value", "reason: found nothing", id="no reason"),
        pytest.param("deny ab12cd34 no", "C0OPS", "command.bad-value", "at least 5", id="a short reason"),
        pytest.param('deny ab12cd34 "wrong', "C0OPS", "command.open-quote", "quote", id="an open quote"),
        pytest.param("deny ab12cd34 wrong pod", "C0OPS", "command.surplus", "quotes", id="words without quotes"),
        pytest.param("approve", "C0OPS", "command.bad-value", "id: found nothing", id="no id"),
        pytest.param("x" * 501, "C0OPS", "command.too-long", "at most 500", id="too long"),
    ],
)
def test_says_what_is_wrong_and_what_to_type(text: str, channel: str, code: str, told: str) -> None:
    error = fault(text, channel)

    said = failure_message(error, is_start=True)
    assert error.code == code
    assert told in said.text
    assert said.text.endswith("Nothing was started.")
    assert error.understood
    assert error.hint


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("“a” ‘b’", "\"a\" 'b'"),
        ("a—b – c", "a--b -- c"),
        ("&lt;!channel&gt; &amp;amp;", "<!channel> &amp;"),
        ("<@U0ADA|ada> <#C0OPS|ops> <https://a.example|a>", "U0ADA C0OPS https://a.example"),
        ("``status``", "status"),
        ("e\u0301", "é"),
    ],
)
def test_text_is_cleaned(sent: str, meant: str) -> None:
    assert clean(sent) == meant


def test_words_keep_backslashes_and_hashes() -> None:
    assert words(r"a\b #c") == ["a\\b", "#c"]


VERBS = st.sampled_from([entry.name for entry in CATALOGUE] + ["Deploy", "deplyo", "--plan", "<@U0ADA|x>"])
KEYS = st.sampled_from(["nodes", "version", "storage", "plan", "cluster", "id", "reason", "verb", "ref", "x", ""])
VALUES = st.one_of(
    st.sampled_from(["3", "-1", "v25.2.3", "1Gi", "crdb", "shop", "true", "“a b”", '"', "'", "", "9" * 30, "\x00"]),
    st.text(max_size=12),
)
WORDS = st.one_of(
    VALUES,
    st.builds("{}={}".format, KEYS, VALUES),
    st.builds("--{}={}".format, KEYS, VALUES),
    st.builds("--{} {}".format, KEYS, VALUES),
)
LINES = st.one_of(
    st.text(max_size=80),
    st.builds(lambda verb, rest: " ".join([verb, *rest]), VERBS, st.lists(WORDS, max_size=6)),
)


@settings(max_examples=400, deadline=None)
@given(line=LINES, channel=st.sampled_from(["C0OPS", "C0PRV", "D0ERIN", ""]))
@example(line="deploy nodes=\u0663", channel="C0OPS")
@example(line="deny 'x' \"y", channel="C0OPS")
@example(line="\ud800", channel="C0OPS")
def test_any_line_is_a_request_or_one_clear_message(line: str, channel: str) -> None:
    try:
        command = read(line, channel)
    except CommandError as error:
        said = failure_message(error, is_start=True)
        assert check_message({"channel": "C0OPS", "text": said.text, "blocks": said.blocks}) == []
        assert said.text.endswith("Nothing was started.")
    else:
        assert command.operation in CATALOGUE
