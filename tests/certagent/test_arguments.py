"""The command line: what it reads, what it refuses, and how a refusal is told."""

from pathlib import Path

import pytest

from certagent.__main__ import main
from certagent.arguments import BadArgumentsError, parse
from tests.certagent.harness import FAST, Lines

COMMON = (
    "--cluster shop --namespace shop --pod cockroachdb-0 --pod-uid u1 --signer-name crdbops.internal/node "
    "--ca-file /crdbops/ca/ca.crt --certs-dir /cockroach/cockroach-certs --ask-again-file /crdbops/podinfo/ask-again"
)
NODE = f"{COMMON} --type node --dns-name localhost --ip-address 127.0.0.1 --store-dir /cockroach/cockroach-data"
CLIENT = f"{COMMON} --type client --user root --secret shop.client.root"
IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_in_a_pod_its_own_api_server_token_and_ca_are_the_defaults() -> None:
    options = parse(NODE.split(), environ=IN_POD)

    assert options.api_server == "https://10.0.0.1:443"
    assert options.token_file == Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    assert options.api_ca_file == Path("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
    assert options.termination_log == Path("/dev/termination-log")
    assert options.expiration_seconds == 31536000


def test_an_ipv6_api_server_is_bracketed() -> None:
    options = parse(NODE.split(), environ=IN_POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"})

    assert options.api_server == "https://[fd00::1]:443"


def test_names_follow_from_type_pod_and_user() -> None:
    node, client = parse(NODE.split(), environ=IN_POD), parse(CLIENT.split(), environ=IN_POD)

    assert (node.base_csr_name, node.common_name, node.file_stem) == ("shop.node.cockroachdb-0", "node", "node")
    assert (client.base_csr_name, client.common_name, client.file_stem) == ("shop.client.root", "root", "client.root")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(NODE.replace("--dns-name localhost", ""), "without --dns-name", id="node without names"),
        pytest.param(f"{NODE} --secret x", "--secret and --user belong to --type client", id="node with a secret"),
        pytest.param(f"{NODE} --expiration-seconds 60", "below Kubernetes' least, 600", id="too short a life"),
        pytest.param(f"{NODE} --surprise", "unrecognized arguments: --surprise", id="unknown option"),
        pytest.param(NODE.replace("--cluster shop", ""), "--cluster", id="missing option"),
        pytest.param(CLIENT.replace("--user root", ""), "without --user", id="client without a user"),
        pytest.param(CLIENT.replace("root --secret", "node --secret"), "--user node is never a client", id="user node"),
        pytest.param(CLIENT.replace("--secret shop.client.root", ""), "without --secret", id="client without a secret"),
        pytest.param(f"{CLIENT} --dns-name localhost", "belong to --type node", id="client with names"),
        pytest.param(NODE.replace("127.0.0.1", "local"), "--ip-address local", id="no address"),
    ],
)
def test_refuses(line: str, reason: str) -> None:
    with pytest.raises(BadArgumentsError, match=reason):
        parse(line.split(), environ=IN_POD)


def test_outside_of_a_pod_the_api_server_must_be_given() -> None:
    with pytest.raises(BadArgumentsError, match="--api-server https://HOST:PORT"):
        parse(NODE.split(), environ={})


def test_a_refusal_is_one_log_line_and_the_termination_message(tmp_path: Path) -> None:
    log, message = Lines(), tmp_path / "termination"

    code = main(["--type", "node", "--termination-log", str(message)], stream=log, pace=FAST)  # type: ignore[arg-type]

    assert code == 1
    assert log.events() == ["bad arguments"]
    assert message.read_text().startswith("certagent cannot start: ")
