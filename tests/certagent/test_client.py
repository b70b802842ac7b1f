"""The client pod: key, certificate and state in a Secret that exists already, found and replaced by name alone."""

import base64
import json
from typing import Any

import pytest
from cryptography import x509

from tests.certagent.fake_api import Fault
from tests.certagent.harness import ClientPod

pytestmark = pytest.mark.processes

PATH = "/api/v1/namespaces/shop/secrets/shop.client.root"


def secret(pod: ClientPod) -> dict[str, Any]:
    return pod.api.secrets["shop/shop.client.root"]


def value(pod: ClientPod, key: str) -> bytes:
    return base64.b64decode(secret(pod)["data"][key])


def test_writes_the_files_of_its_user(client_pod: ClientPod) -> None:
    run = client_pod.start()
    client_pod.issue(client_pod.csr)

    assert run.exit_code() == 0
    assert client_pod.files() == {"ca.crt": "444", "client.root.crt": "444", "client.root.key": "400"}
    assert value(client_pod, "client.root.key") == (client_pod.certs / "client.root.key").read_bytes()


def test_asks_without_names_and_for_a_client_s_usages(client_pod: ClientPod) -> None:
    client_pod.start()

    csr = client_pod.api.csr(client_pod.csr)

    request = x509.load_pem_x509_csr(client_pod.api.request_pem(client_pod.csr))
    assert len(request.extensions) == 0
    assert request.subject.rfc4514_string() == "CN=root,O=Cockroach"
    assert csr["spec"]["usages"] == ["digital signature", "key encipherment", "client auth"]


def test_the_key_is_kept_before_it_is_asked_for(client_pod: ClientPod) -> None:
    client_pod.api.faults.append(Fault("POST ", 500, times=99))

    assert client_pod.start().exit_code() == 1

    assert json.loads(value(client_pod, "state.json"))["pod_uid"] == client_pod.uid
    assert value(client_pod, "client.root.key").startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_new_pod_takes_the_certificate_from_the_secret(client_pod: ClientPod) -> None:
    run = client_pod.start()
    client_pod.issue(client_pod.csr)
    run.exit_code()
    client_pod.api.requests.clear()

    successor = client_pod.again("pod-uid-2")

    assert successor.start().exit_code() == 0
    assert client_pod.api.requests == [f"GET {PATH}"]
    assert successor.files() == {"ca.crt": "444", "client.root.crt": "444", "client.root.key": "400"}


def test_restarts_before_approval_go_on_with_the_same_key(client_pod: ClientPod) -> None:
    run = client_pod.start_process()
    run.log.until("waiting")
    run.kill()

    second = client_pod.start()
    second.log.until("waiting")
    client_pod.issue(client_pod.csr)

    assert second.exit_code() == 0
    assert list(client_pod.api.csrs) == [client_pod.csr]


def test_two_runs_at_once_agree_on_one_key(client_pod: ClientPod) -> None:
    first, second = client_pod.start_process(), client_pod.start_process()
    first.log.until("waiting")
    second.log.until("waiting")
    client_pod.issue(client_pod.csr)

    assert (first.exit_code(), second.exit_code()) == (0, 0)
    assert list(client_pod.api.csrs) == [client_pod.csr]


def test_a_secret_changed_by_others_meanwhile_is_read_again(client_pod: ClientPod) -> None:
    client_pod.api.faults.append(Fault(f"PUT {PATH}", 409, "the object has been modified"))

    run = client_pod.start()
    client_pod.issue(client_pod.csr)

    assert run.exit_code() == 0
    assert "store overtaken" in run.log.events()


def test_what_others_put_into_the_secret_stays(client_pod: ClientPod) -> None:
    other = base64.b64encode(b"theirs").decode()
    client_pod.api.put_secret("shop", "shop.client.root", data={"other": other})

    run = client_pod.start()
    client_pod.issue(client_pod.csr)

    assert run.exit_code() == 0
    assert sorted(secret(client_pod)["data"]) == ["client.root.crt", "client.root.key", "other", "state.json"]
    assert value(client_pod, "other") == b"theirs"


def test_a_missing_secret_is_said(client_pod: ClientPod) -> None:
    client_pod.api.secrets.clear()

    run = client_pod.start()

    assert run.exit_code() == 1
    assert client_pod.message().startswith("Cannot get Secret shop/shop.client.root: HTTP 404")
    assert client_pod.api.csrs == {}


def test_a_missing_right_on_the_secret_is_named(client_pod: ClientPod) -> None:
    client_pod.identity.lacks.add("update")

    run = client_pod.start()

    assert run.exit_code() == 1
    rule = 'apiGroups [""], resources ["secrets"], resourceNames ["shop.client.root"], verbs ["update"]'
    assert rule in run.log.until("api call gave up")["missing_rule"]
    assert rule in client_pod.message()
    assert client_pod.api.csrs == {}


def test_the_secret_s_content_is_never_logged(client_pod: ClientPod) -> None:
    client_pod.api.put_secret("shop", "shop.client.root", data={"client.root.key": "%%% no base64: hush %%%"})

    run = client_pod.start()
    run.log.until("waiting")
    client_pod.issue(client_pod.csr)

    assert run.exit_code() == 0
    assert "hush" not in run.log.text + client_pod.message()
    key_lines = value(client_pod, "client.root.key").decode().splitlines()[1:-1]
    assert not [line for line in key_lines if line in run.log.text]
