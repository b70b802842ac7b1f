"""How two views of a cluster merge, and who is live."""

from typing import Any

from devtools.cockroach.membership import DESCRIPTOR_SECONDS, Membership

NOW = 1_000_000.0
EXPIRY_SECONDS = 4.5


def _liveness(node_id: int, *, seq: float = NOW, draining: bool = False) -> dict[str, Any]:
    return {"id": node_id, "seq": seq, "expiration": seq + EXPIRY_SECONDS, "draining": draining}


def _view(*records: dict[str, Any]) -> Membership:
    view = Membership()
    view.liveness = {record["id"]: record for record in records}
    return view


def test_the_newer_record_wins() -> None:
    view = _view(_liveness(1), _liveness(2, seq=NOW))

    view.merge({"liveness": [_liveness(2, seq=NOW + 5)], "descriptors": []}, me=1)
    view.merge({"liveness": [_liveness(2, seq=NOW - 5)], "descriptors": []}, me=1)

    assert view.liveness[2]["seq"] == NOW + 5


def test_nobody_else_writes_the_own_record() -> None:
    view = _view(_liveness(1))

    view.merge({"liveness": [_liveness(1, seq=NOW + 99)], "descriptors": []}, me=1)

    assert view.liveness[1]["seq"] == NOW


def test_only_a_node_that_is_elsewhere_than_known_is_worth_keeping() -> None:
    view = _view()
    descriptors = [{"id": 2, "seq": NOW, "address": "b:1"}]
    moved = [{"id": 2, "seq": NOW + 1, "address": "c:1"}]

    changes = [view.merge({"liveness": [], "descriptors": given}, me=1) for given in (descriptors, descriptors, moved)]

    assert changes == [True, False, True]
    assert view.addresses() == ["c:1"]


def test_a_node_is_live_until_its_liveness_expires() -> None:
    view = _view(_liveness(1))

    assert view.is_live(1, now=NOW + EXPIRY_SECONDS - 0.1)
    assert not view.is_live(1, now=NOW + EXPIRY_SECONDS + 0.1)


def test_without_a_majority_a_heartbeat_does_not_prolong_liveness() -> None:
    view = _view(_liveness(1))

    view.heartbeat(me=1, now=NOW + 3, until=None, draining=False)

    assert view.liveness[1]["seq"] == NOW + 3
    assert not view.is_live(1, now=NOW + EXPIRY_SECONDS + 0.1)


def test_the_lowest_live_node_that_stays_writes() -> None:
    view = _view(_liveness(1, seq=NOW - 60), _liveness(2, draining=True), _liveness(3), _liveness(4))

    assert view.lowest_live([1, 2, 3, 4], now=NOW) == 3
    assert view.lowest_live([1], now=NOW) == 0


def test_a_silent_nodes_descriptor_is_forgotten_but_not_its_liveness() -> None:
    view = _view(_liveness(1))
    view.descriptors = {1: {"id": 1, "seq": NOW, "address": "a:1"}}

    view.forget(now=NOW + DESCRIPTOR_SECONDS + 1)

    assert view.descriptors == {}
    assert list(view.liveness) == [1]
