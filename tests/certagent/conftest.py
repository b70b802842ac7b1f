"""Fixtures of certagent's tests: the API server, the CA, and pods that are ended with the test."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certagent.authority import SERVER, Authority, Wish
from tests.certagent.fake_api import FakeApi
from tests.certagent.harness import ClientPod, Pod


@pytest.fixture(scope="session")
def api_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("api")
    authority = Authority("API server")
    address = str(ipaddress.IPv4Address("127.0.0.1"))
    leaf = authority.issue(authority.key.public_key(), Wish(addresses=(address,), extended=(SERVER,)))
    (root / "api.crt").write_bytes(leaf + authority.pem)
    (root / "api.key").write_bytes(authority.key_pem())
    return root / "api.crt", root / "api.key"


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def pod(tmp_path: Path, api_certificate: tuple[Path, Path], authority: Authority) -> Iterator[Pod]:
    server = FakeApi(*api_certificate)
    made = Pod(tmp_path, api=server, authority=authority)
    yield made
    server.close()
    made.close()


@pytest.fixture
def client_pod(tmp_path: Path, api_certificate: tuple[Path, Path], authority: Authority) -> Iterator[ClientPod]:
    server = FakeApi(*api_certificate)
    server.put_secret("shop", "shop.client.root")
    made = ClientPod(tmp_path, api=server, authority=authority)
    yield made
    server.close()
    made.close()
