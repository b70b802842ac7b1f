"""A node's certificate over a real client and a real wire: asking, waiting, restarts, what is written.

A no and asking again are in `test_refused.py`, trouble of the API in `test_trouble.py`, the client pod in
`test_client.py`.
"""

import base64
import json
import stat

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from certagent.request import key_hash
from tests.certagent.harness import NAMES, Pod

pytestmark = pytest.mark.processes


def test_writes_the_files_once_the_csr_is_issued(pod: Pod) -> None:
    run = pod.start()
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert pod.files() == {"ca.crt": "444", "node.crt": "444", "node.key": "400"}
    assert (pod.certs / "ca.crt").read_bytes() == pod.authority.pem
    assert run.log.events()[:3] == ["started", "key needed", "csr asked"]
    assert run.log.events()[-2:] == ["certificate issued", "files written"]
    assert pod.message() == ""


def test_asks_for_exactly_what_the_arguments_say(pod: Pod) -> None:
    pod.start()

    csr = pod.api.csr(pod.csr)

    request = x509.load_pem_x509_csr(pod.api.request_pem(pod.csr))
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [(attribute.oid, attribute.value) for attribute in request.subject] == [
        (NameOID.ORGANIZATION_NAME, "Cockroach"),
        (NameOID.COMMON_NAME, "node"),
    ]
    assert names.get_values_for_type(x509.DNSName) == list(NAMES)
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert len(request.extensions) == 1
    assert csr["spec"]["usages"] == ["digital signature", "key encipherment", "server auth", "client auth"]
    assert csr["spec"]["signerName"] == "crdbops.internal/node"
    assert csr["spec"]["expirationSeconds"] == 31536000
    assert csr["metadata"]["labels"] == {
        "app.kubernetes.io/name": "cockroachdb",
        "app.kubernetes.io/instance": "shop",
        "app.kubernetes.io/managed-by": "crdb-chatops",
        "app.kubernetes.io/part-of": "crdb-chatops",
    }


def test_keeps_key_and_state_for_itself_alone_before_it_asks(pod: Pod) -> None:
    pod.identity.lacks.add("create")

    assert pod.start().exit_code() == 1

    kept = pod.store / "certs"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert stat.S_IMODE((kept / "node.key").stat().st_mode) == 0o600
    assert json.loads((kept / "state.json").read_text())["pod_uid"] == pod.uid


def test_a_run_killed_before_approval_goes_on_with_the_same_key_and_csr(pod: Pod) -> None:
    first = pod.start_process()
    first.log.until("waiting")
    first.kill()
    uid = pod.api.csr(pod.csr)["metadata"]["uid"]

    second = pod.start()
    assert second.log.until("waiting")["waits_for"] == f"a person's decision on CSR {pod.csr}"
    pod.issue(pod.csr)

    assert second.exit_code() == 0
    assert list(pod.api.csrs) == [pod.csr]
    assert pod.api.csr(pod.csr)["metadata"]["uid"] == uid


def test_a_run_killed_between_key_and_csr_asks_with_the_kept_key(pod: Pod) -> None:
    pod.identity.lacks.add("create")
    pod.start().exit_code()
    key = (pod.store / "certs" / "node.key").read_bytes()
    pod.identity.lacks.clear()

    run = pod.start()
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert run.log.events()[1] == "csr missing"
    assert (pod.certs / "node.key").read_bytes() == key


def test_a_csr_whose_uid_was_never_kept_is_adopted(pod: Pod) -> None:
    pod.ask_and_end()
    state = pod.store / "certs" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"csr_uid": ""}))

    second = pod.start()
    second.log.until("waiting")
    pod.issue(pod.csr)

    assert second.exit_code() == 0
    assert "csr adopted" in second.log.events()
    assert list(pod.api.csrs) == [pod.csr]


def test_a_restart_after_issue_asks_nobody(pod: Pod) -> None:
    run = pod.start()
    pod.issue(pod.csr)
    run.exit_code()
    pod.api.requests.clear()

    successor = pod.again("pod-uid-2")
    again = successor.start()

    assert again.exit_code() == 0
    assert pod.api.requests == []
    assert successor.files() == {"ca.crt": "444", "node.crt": "444", "node.key": "400"}
    assert again.log.events() == ["started", "files written"]


def test_files_that_are_there_already_are_replaced(pod: Pod) -> None:
    run = pod.start()
    pod.issue(pod.csr)
    run.exit_code()
    (pod.certs / "node.key").chmod(0o600)
    (pod.certs / "node.key").write_text("half a key")

    assert pod.start().exit_code() == 0

    assert (pod.certs / "node.key").read_bytes() == (pod.store / "certs" / "node.key").read_bytes()
    assert pod.files()["node.key"] == "400"


def test_of_a_chain_only_the_first_certificate_is_written(pod: Pod) -> None:
    run = pod.start()
    leaf = pod.certificate_for(pod.csr)
    pod.api.issue(pod.csr, leaf + pod.authority.pem)

    assert run.exit_code() == 0
    assert (pod.certs / "node.crt").read_bytes() == leaf


def test_a_csr_issued_while_no_run_was_there_is_taken_by_a_new_pod(pod: Pod) -> None:
    pod.ask_and_end()
    pod.issue(pod.csr)

    second = pod.again("pod-uid-2").start()

    assert second.exit_code() == 0
    assert list(pod.api.csrs) == [pod.csr]


def test_a_pending_csr_of_the_pod_before_is_left_and_a_new_key_asked_for(pod: Pod) -> None:
    pod.ask_and_end()

    successor = pod.again("pod-uid-2")
    second = successor.start()
    name = successor.until_hashed_csr()
    pod.issue(name)

    assert second.exit_code() == 0
    assert "csr of another pod" in second.log.events()
    assert name == f"{pod.csr}.{key_hash((successor.certs / 'node.key').read_bytes())[:10]}"
    assert pod.api.request_pem(name) != pod.api.request_pem(pod.csr)
    assert successor.message() == ""


def test_two_runs_at_once_ask_once_and_write_the_same_files(pod: Pod) -> None:
    first, second = pod.start_process(), pod.start_process()
    first.log.until("waiting")
    second.log.until("waiting")
    pod.issue(pod.csr)

    assert (first.exit_code(), second.exit_code()) == (0, 0)
    assert list(pod.api.csrs) == [pod.csr]
    assert pod.files() == {"ca.crt": "444", "node.crt": "444", "node.key": "400"}


def test_a_deleted_csr_is_asked_for_again_with_the_same_key(pod: Pod) -> None:
    run = pod.start()
    pod.api.until_watched()
    before = pod.api.csr(pod.csr)
    pod.api.delete(pod.csr)
    run.log.until("csr asked", times=2)
    after = pod.api.csr(pod.csr)
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert run.log.until("csr vanished")["csr"] == pod.csr
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert x509.load_pem_x509_csr(pod.api.request_pem(pod.csr)).public_key() == _key_of(before)


def test_each_of_many_deletions_is_answered_by_one_csr(pod: Pod) -> None:
    run = pod.start()
    run.log.until("csr asked")
    pod.api.delete(pod.csr)
    run.log.until("csr asked", times=2)
    pod.api.delete(pod.csr)
    run.log.until("csr asked", times=3)
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert run.log.events().count("csr vanished") == 2


def test_a_name_taken_by_a_stranger_is_left_alone(pod: Pod) -> None:
    stranger = pod.again("pod-uid-of-stranger")
    stranger.store = pod.root / "other-store"
    stranger.store.mkdir()
    stranger.ask_and_end()
    before = pod.api.csr(pod.csr)

    run = pod.start()
    name = pod.until_hashed_csr()
    pod.issue(name)

    assert run.exit_code() == 0
    assert {"csr exists already", "csr name taken"} <= set(run.log.events())
    assert pod.api.csr(pod.csr) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("node.key", b"not a key", id="key broken"),
        pytest.param("state.json", b'{"version": 1, "key_ha', id="state cut in the middle"),
    ],
)
def test_a_broken_store_never_stops_a_pod(pod: Pod, name: str, content: bytes) -> None:
    pod.ask_and_end()
    (pod.store / "certs" / name).write_bytes(content)

    second = pod.start()
    second.log.until("waiting")
    asked = json.loads((pod.store / "certs" / "state.json").read_text())["csr_name"]
    pod.issue(asked)

    assert second.exit_code() == 0


def test_what_a_killed_run_left_half_written_is_removed(pod: Pod) -> None:
    (pod.store / "certs").mkdir()
    (pod.store / "certs" / ".node.key.abc.tmp").write_text("half a key")

    run = pod.start()
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert [path.name for path in (pod.store / "certs").iterdir() if path.name.endswith(".tmp")] == []


def test_termination_by_the_kubelet_ends_the_wait_at_once(pod: Pod) -> None:
    run = pod.start_process()
    run.log.until("waiting")
    run.process.terminate()

    assert run.exit_code() == 1
    assert run.log.until("stopped")["reason"] == "SIGTERM"


def _key_of(csr: dict[str, object]) -> object:
    spec = csr["spec"]
    assert isinstance(spec, dict)
    return x509.load_pem_x509_csr(base64.b64decode(spec["request"])).public_key()
