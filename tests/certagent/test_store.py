"""The node's store on its volume: it never writes over what another run wrote, and half a write is never taken."""

import fcntl
import threading
from pathlib import Path

import pytest

from certagent.kept import Kept
from certagent.request import make_key
from certagent.store import NodeStore
from certagent.trouble import OvertakenError


def kept(*, csr_uid: str = "", decided_csr_uid: str = "") -> Kept:
    return Kept(
        key_pem=make_key(),
        pod_uid="pod-1",
        csr_name="shop.node.a",
        csr_uid=csr_uid,
        decided_csr_uid=decided_csr_uid,
        ask_again="v1",
    )


def test_reads_back_what_it_wrote(tmp_path: Path) -> None:
    written = kept(csr_uid="u1", decided_csr_uid="u1")
    store = NodeStore(tmp_path)
    store.load()
    store.save(written)

    assert NodeStore(tmp_path).load() == written


def test_an_empty_volume_keeps_nothing(tmp_path: Path) -> None:
    assert NodeStore(tmp_path).load() == Kept()


def test_refuses_to_write_over_another_run_s_key(tmp_path: Path) -> None:
    slow, fast = NodeStore(tmp_path), NodeStore(tmp_path)
    slow.load()
    fast.load()
    winner = kept()
    fast.save(winner)

    with pytest.raises(OvertakenError):
        slow.save(kept())

    assert slow.load() == winner


def test_goes_on_from_its_own_last_write(tmp_path: Path) -> None:
    store = NodeStore(tmp_path)
    store.load()
    first, second = kept(), kept()
    store.save(first)

    store.save(second)

    assert store.load() == second


def test_state_of_a_key_before_is_not_taken_for_the_new_key_s(tmp_path: Path) -> None:
    store = NodeStore(tmp_path)
    store.load()
    store.save(kept(csr_uid="u1", decided_csr_uid="u1"))
    new_key = make_key()
    (tmp_path / "certs" / "node.key").write_bytes(new_key)  # killed before the state was written

    assert store.load() == Kept(key_pem=new_key)


def test_a_new_key_takes_the_old_certificate_away(tmp_path: Path) -> None:
    store = NodeStore(tmp_path)
    store.load()
    store.save(Kept(key_pem=make_key(), certificate_pem=b"certificate"))
    store.save(kept())

    assert not (tmp_path / "certs" / "node.crt").exists()


def test_waits_while_another_run_is_writing(tmp_path: Path) -> None:
    NodeStore(tmp_path).load()
    read = threading.Event()

    def load() -> None:
        NodeStore(tmp_path).load()
        read.set()

    reader = threading.Thread(target=load)
    with (tmp_path / "certs" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        reader.start()
        was_read_meanwhile = read.wait(timeout=0.3)
    reader.join(timeout=10)

    assert not was_read_meanwhile
    assert read.is_set()
