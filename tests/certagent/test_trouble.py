"""Trouble of the API server and of files: each is one log line and, at the end, one sentence for people."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.certagent.fake_api import Fault
from tests.certagent.harness import FAST, Pod


@pytest.mark.parametrize("verb", ["create", "get", "watch"])
def test_a_missing_right_is_named_as_a_rule(pod: Pod, verb: str) -> None:
    pod.ask_and_end()
    pod.api.delete(pod.csr)
    pod.identity.lacks.add(verb)

    run = pod.start()

    assert run.exit_code() == 1
    gave_up = run.log.until("api call gave up")
    rule = f'apiGroups ["certificates.k8s.io"], resources ["certificatesigningrequests"], verbs ["{verb}"]'
    assert gave_up["status"] == 403
    assert gave_up["attempt"] == 5
    assert gave_up["reason"] == (
        f'certificatesigningrequests is forbidden: User "system:serviceaccount:shop:cockroachdb" cannot {verb} resource'
    )
    assert gave_up["missing_rule"].startswith(rule)
    assert run.log.events().count("api call failed") == 4
    assert rule in pod.message()
    assert "ClusterRoleBinding shop.shop.certagent" in pod.message()


def test_a_right_that_comes_late_is_no_failure(pod: Pod) -> None:
    pod.identity.lacks.add("create")
    run = pod.start(pace=replace(FAST, retry_delays=(0.01,) * 2000))
    run.log.until("api call failed")
    pod.identity.lacks.clear()
    pod.issue(pod.csr)

    assert run.exit_code() == 0


def test_a_token_that_is_not_accepted_is_said(pod: Pod) -> None:
    pod.token_file.write_text("nobody's")

    assert pod.start().exit_code() == 1

    assert "HTTP 401 (the pod's token is not accepted)" in pod.message()


def test_a_renewed_token_is_used_at_the_next_call(pod: Pod) -> None:
    pod.token_file.write_text("worn out")
    run = pod.start(pace=replace(FAST, retry_delays=(0.01,) * 2000))
    run.log.until("api call failed")
    pod.token_file.write_text(pod.token)
    pod.issue(pod.csr)

    assert run.exit_code() == 0


def test_retry_after_is_kept_to(pod: Pod) -> None:
    pod.api.faults.append(Fault("POST ", 429, "slow down", {"Retry-After": "1"}))

    run = pod.start(pace=replace(FAST, longest_retry_after=60))
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    line = run.log.until("api call failed")
    assert (line["status"], line["reason"], line["retry_in_s"]) == (429, "slow down", 1)


def test_retry_after_of_hours_is_cut(pod: Pod) -> None:
    pod.api.faults.append(Fault("POST ", 429, headers={"Retry-After": "7200"}))

    run = pod.start()
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert run.log.until("api call failed")["retry_in_s"] == FAST.longest_retry_after


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_an_api_server_in_trouble_is_tried_five_times(pod: Pod, code: int) -> None:
    pod.api.faults.append(Fault("POST ", code, "etcdserver: leader changed", times=99))

    run = pod.start()

    assert run.exit_code() == 1
    assert [line["attempt"] for line in run.log.all() if line["event"] == "api call failed"] == [1, 2, 3, 4]
    assert f"Cannot create CSR {pod.csr}: HTTP {code}: etcdserver: leader changed" in pod.message()


def test_a_short_outage_is_overcome(pod: Pod) -> None:
    pod.api.faults.append(Fault("POST ", 503, times=3))

    run = pod.start()
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert run.log.events().count("api call failed") == 3


def test_a_create_whose_answer_was_lost_is_found_again(pod: Pod) -> None:
    pod.api.faults.append(Fault("POST ", 504, is_after_effect=True))

    run = pod.start()
    run.log.until("waiting")
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert {"csr exists already", "csr adopted"} <= set(run.log.events())
    assert list(pod.api.csrs) == [pod.csr]


def test_a_request_that_is_invalid_is_not_repeated(pod: Pod) -> None:
    pod.api.faults.append(Fault("POST ", 422, "spec.signerName: Invalid value", times=99))

    run = pod.start()

    assert run.exit_code() == 1
    assert "api call failed" not in run.log.events()
    assert "spec.signerName: Invalid value" in pod.message()


def test_no_api_server_at_all_is_said(pod: Pod) -> None:
    pod.api.close()

    run = pod.start()

    assert run.exit_code() == 1
    assert run.log.until("api call gave up")["status"] == 0
    assert f"Cannot create CSR {pod.csr}: no answer:" in pod.message()


def test_an_api_server_of_another_ca_is_not_talked_to(pod: Pod) -> None:
    pod.api.ca_file = pod.ca_file

    run = pod.start()

    assert run.exit_code() == 1
    assert "CERTIFICATE_VERIFY_FAILED" in pod.message()
    assert pod.api.requests == []


def test_a_watch_that_is_cut_goes_on_from_where_it_was(pod: Pod) -> None:
    run = pod.start()
    pod.api.until_watched()
    version = pod.api.csr(pod.csr)["metadata"]["resourceVersion"]
    pod.api.cut_watches()
    run.log.until("watch dropped")
    pod.api.until_watched(times=2)
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    watches = [line for line in pod.api.requests if "watch=" in line][:2]
    assert all(f"resourceVersion={version}" in line for line in watches)


def test_a_certificate_issued_between_two_watches_is_seen(pod: Pod) -> None:
    run = pod.start()
    pod.api.until_watched()
    certificate = pod.certificate_for(pod.csr)
    with pod.api.changed:
        pod.api.cut_watches()
        pod.api.issue(pod.csr, certificate)

    assert run.exit_code() == 0


def test_an_expired_watch_starts_again_from_the_present(pod: Pod) -> None:
    run = pod.start()
    pod.api.until_watched()
    pod.api.expire()
    run.log.until("watch expired")
    pod.api.until(lambda: _watches_without_version(pod), what="a watch from the present")
    pod.api.until_watched(times=4)  # the one from the present ended on the server, and the next goes on from there
    reads = [line for line in pod.api.requests if line.startswith("GET") and line.endswith(pod.csr)]
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert len(_watches_without_version(pod)) == 1
    assert len(reads) == 2  # at the start, and after the expiry; that the object is there is no change
    assert run.log.events().count("watch expired") == 1


def _watches_without_version(pod: Pod) -> list[str]:
    return [line for line in pod.api.requests if "watch=" in line and "resourceVersion" not in line]


def test_an_expiry_said_by_status_is_the_same(pod: Pod) -> None:
    pod.api.faults.append(Fault("watch=", 410, "too old resource version"))

    run = pod.start()
    run.log.until("watch expired")
    pod.api.until_watched()
    pod.issue(pod.csr)

    assert run.exit_code() == 0


def test_a_watch_refused_for_a_while_is_tried_again(pod: Pod) -> None:
    pod.api.faults.append(Fault("watch=", 503, times=2))

    run = pod.start()
    pod.api.until_watched()
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert run.log.until("api call failed")["call"] == f"watch CSR {pod.csr}"


def test_watches_end_on_the_server_and_go_on_from_the_last_bookmark(pod: Pod) -> None:
    run = pod.start()
    pod.api.until_watched()
    with pod.api.changed:
        pod.api.revision += 50  # other objects change
    pod.api.until_watched(times=2)
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    watches = [parse_qs(urlsplit(line).query) for line in pod.api.requests if "watch=" in line]
    versions = [int(query["resourceVersion"][0]) for query in watches]
    assert [query["timeoutSeconds"] for query in watches[:2]] == [["1"], ["1"]]
    assert versions[1] == versions[0] + 50


def test_the_csr_is_read_again_now_and_then_whatever_the_watch_says(pod: Pod) -> None:
    run = pod.start(pace=replace(FAST, reread_after=0.2))
    path = f"GET /apis/certificates.k8s.io/v1/certificatesigningrequests/{pod.csr}"
    pod.api.until(lambda: pod.api.requests.count(path) >= 3, what="three reads")
    pod.issue(pod.csr)

    assert run.exit_code() == 0


def test_says_in_time_what_it_waits_for(pod: Pod) -> None:
    run = pod.start()
    first, second = run.log.until("waiting"), run.log.until("waiting", times=2)
    pod.api.condition(pod.csr, "Approved")
    third = run.log.until("waiting", times=3)
    pod.api.until_watched()
    pod.issue(pod.csr)

    assert run.exit_code() == 0
    assert first["waits_for"] == second["waits_for"] == f"a person's decision on CSR {pod.csr}"
    assert first["duration_s"] == 0
    assert second["duration_s"] >= 0
    assert third["waits_for"] == f"signer crdbops.internal/node to issue CSR {pod.csr}, which is approved"


def test_a_ca_file_without_a_ca_is_said_before_anything_is_asked(pod: Pod) -> None:
    pod.ca_file.write_text("")

    run = pod.start()

    assert run.exit_code() == 1
    assert run.log.events() == ["started", "ca file unusable"]
    assert pod.message().startswith(f"CA file {pod.ca_file} cannot be used:")
    assert pod.api.requests == []


def test_a_volume_that_cannot_be_used_is_said(pod: Pod) -> None:
    (pod.store / "certs").write_text("a file in the way")

    run = pod.start()

    assert run.exit_code() == 1
    assert "store unusable" in run.log.events()
    assert pod.message().startswith("The data volume cannot be used: ")


def test_a_directory_for_the_files_that_cannot_be_made_is_said(pod: Pod) -> None:
    pod.certs.write_text("a file in the way")

    run = pod.start()
    pod.issue(pod.csr)

    assert run.exit_code() == 1
    assert run.log.until("file trouble")["reason"] == f"File exists: {pod.certs}"
    assert str(pod.certs) in pod.message()


def test_neither_key_nor_token_is_ever_logged(pod: Pod) -> None:
    pod.api.faults.append(Fault("POST ", 500, times=1))
    run = pod.start()
    run.log.until("csr asked")
    pod.api.cut_watches()
    pod.api.condition(pod.csr, "Denied")
    run.log.until("csr denied")
    pod.ask_again_file.write_text("appr-1")
    pod.issue(pod.until_hashed_csr())
    run.exit_code()

    said = run.log.text + pod.message()
    key_lines = (pod.certs / "node.key").read_text().splitlines()[1:-1]
    assert pod.token not in said
    assert "PRIVATE" not in said
    assert not [line for line in key_lines if line in said]
