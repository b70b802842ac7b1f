"""A no, and the way on: denied, failed, refused by certagent itself, asked again, a certificate that wore out."""

from datetime import timedelta
from typing import Any

import pytest

from certagent.request import load_key, make_key
from tests.certagent.authority import Authority, Wish
from tests.certagent.harness import Pod

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(("condition", "word"), [("Denied", "denied"), ("Failed", "failed")])
def test_a_no_is_told_and_a_new_key_is_asked_for_once_somebody_asks_again(pod: Pod, condition: str, word: str) -> None:
    run = pod.start()
    run.log.until("csr asked")
    pod.api.condition(pod.csr, condition, reason="CrdbopsSaid", message="Kim: wrong pod")
    line = run.log.until(f"csr {word}")
    run.log.until("waiting", times=2)
    told = pod.message()
    pod.ask_again_file.write_text("appr-1\n")
    name = pod.until_hashed_csr()
    pod.issue(name)

    assert run.exit_code() == 0
    assert line["level"] == "warning"
    assert line["reason"] == "CrdbopsSaid: Kim: wrong pod"
    assert told.startswith(f"CSR {pod.csr} was {word}: CrdbopsSaid: Kim: wrong pod. Nothing is asked until")
    assert "crdbops.internal/ask-again" in told
    assert pod.api.request_pem(name) != pod.api.request_pem(pod.csr)
    assert pod.message() == ""


def test_a_restart_after_a_no_asks_nothing_until_somebody_does(pod: Pod) -> None:
    run = pod.start_process()
    run.log.until("waiting")
    pod.api.condition(pod.csr, "Denied")
    run.log.until("csr denied")
    run.kill()

    second = pod.start()
    second.log.until("csr denied")
    heartbeat = second.log.until("waiting", times=2)
    asked_meanwhile = list(pod.api.csrs)
    pod.ask_again_file.write_text("appr-1")
    pod.issue(pod.until_hashed_csr())

    assert second.exit_code() == 0
    assert heartbeat["waits_for"] == f"somebody to ask again, CSR {pod.csr} was denied"
    assert asked_meanwhile == [pod.csr]


def test_a_no_outlives_its_csr_which_kubernetes_collects(pod: Pod) -> None:
    run = pod.start_process()
    run.log.until("waiting")
    pod.api.condition(pod.csr, "Denied")
    run.log.until("csr denied")
    run.kill()
    pod.api.delete(pod.csr)

    second = pod.start()
    second.log.until("csr collected")
    told, asked_meanwhile = pod.message(), list(pod.api.csrs)
    pod.ask_again_file.write_text("appr-1")
    pod.issue(pod.until_hashed_csr())

    assert second.exit_code() == 0
    assert "was denied or failed" in told
    assert asked_meanwhile == []


def test_asked_again_while_no_run_was_there_is_asked_at_the_next(pod: Pod) -> None:
    pod.ask_and_end()
    pod.api.condition(pod.csr, "Denied")
    pod.ask_again_file.write_text("appr-1")

    second = pod.start()
    pod.issue(pod.until_hashed_csr())

    assert second.exit_code() == 0
    assert "csr denied" not in second.log.events()


def test_denied_twice_needs_a_second_new_value(pod: Pod) -> None:
    run = pod.start()
    run.log.until("csr asked")
    pod.api.condition(pod.csr, "Denied")
    run.log.until("csr denied")
    pod.ask_again_file.write_text("appr-1")
    second = pod.until_hashed_csr()
    pod.api.condition(second, "Denied")
    run.log.until("csr denied", times=2)
    pod.ask_again_file.write_text("appr-2")
    third = run.log.until("csr asked", times=3)["csr"]
    pod.issue(third)

    assert run.exit_code() == 0
    assert len({pod.csr, second, third}) == 3


def _other_key(pod: Pod) -> bytes:
    return pod.authority.issue(load_key(make_key()).public_key(), pod.wish())


def _other_ca(pod: Pod) -> bytes:
    return Authority("CA of cluster bank").issue_for(pod.api.request_pem(pod.csr), pod.wish())


def _less_names(pod: Pod) -> bytes:
    return pod.authority.issue_for(pod.api.request_pem(pod.csr), Wish(names=("localhost",)))


def _over(pod: Pod) -> bytes:
    return pod.authority.issue_for(pod.api.request_pem(pod.csr), Wish(**(vars(pod.wish()) | _OVER)))


_OVER: dict[str, Any] = {"starts_in": timedelta(days=-2), "ends_in": timedelta(days=-1)}


@pytest.mark.parametrize(
    ("issue", "reason"),
    [
        pytest.param(_other_key, "its public key is not this pod's key", id="another key"),
        pytest.param(_other_ca, "it was issued by the CA of another cluster", id="ca of another cluster"),
        pytest.param(_less_names, "names are missing: 127.0.0.1", id="names missing"),
        pytest.param(_over, "it ends at", id="over"),
    ],
)
def test_a_wrong_certificate_is_refused_and_nothing_written(pod: Pod, issue: Any, reason: str) -> None:
    run = pod.start()
    run.log.until("csr asked")
    pod.api.issue(pod.csr, issue(pod))

    assert run.exit_code() == 1
    assert reason in str(run.log.until("issued certificate refused")["reasons"])
    assert pod.message().startswith(f"The certificate issued for CSR {pod.csr} is refused, nothing was written:")
    assert reason in pod.message()
    assert pod.files() == {}
    assert not (pod.store / "certs" / "node.crt").exists()


def test_after_a_refusal_the_next_run_asks_anew_if_asked_again(pod: Pod) -> None:
    run = pod.start()
    run.log.until("csr asked")
    pod.api.issue(pod.csr, _other_ca(pod))
    run.exit_code()
    pod.ask_again_file.write_text("appr-1")

    second = pod.start()
    pod.issue(pod.until_hashed_csr())

    assert second.exit_code() == 0
    assert pod.message() == ""


def test_after_a_refusal_deleting_the_csr_asks_again(pod: Pod) -> None:
    run = pod.start()
    run.log.until("csr asked")
    pod.api.issue(pod.csr, _other_ca(pod))
    run.exit_code()
    pod.api.delete(pod.csr)

    second = pod.start()
    pod.issue(pod.csr)

    assert second.exit_code() == 0


def _deployed(pod: Pod, certificate: bytes | None = None) -> None:
    run = pod.start()
    pod.issue(pod.csr)
    assert run.exit_code() == 0
    if certificate:
        (pod.store / "certs" / "node.crt").write_bytes(certificate)


def test_a_stored_certificate_of_a_replaced_ca_is_asked_for_anew(pod: Pod) -> None:
    _deployed(pod)
    pod.authority = Authority("New CA")
    pod.ca_file.write_bytes(pod.authority.pem)

    run = pod.start()
    pod.issue(pod.until_hashed_csr())

    assert run.exit_code() == 0
    assert "CA of another cluster" in run.log.until("stored certificate unusable")["reason"]
    assert (pod.certs / "ca.crt").read_bytes() == pod.authority.pem


def test_a_stored_certificate_that_is_over_is_asked_for_anew(pod: Pod) -> None:
    _deployed(pod)
    old_key = (pod.certs / "node.key").read_bytes()
    (pod.store / "certs" / "node.crt").write_bytes(_over(pod))
    pod.api.delete(pod.csr)

    run = pod.start()
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert "it ends at" in run.log.until("stored certificate unusable")["reason"]
    assert (pod.certs / "node.key").read_bytes() != old_key
