"""How two views of a cluster merge, who is live, and which id a new node is given."""

from typing import Any

from devtools.cockroach.membership import DESCRIPTOR_SECONDS, EXPIRY_SECONDS, Membership

NOW = 1_000_000.0


def _liveness(node_id: int, *, seq: float = NOW, store: str = "") -> dict[str, Any]:
    return {
        "id": node_id,
        "store_id": store or f"store-{node_id}",
        "seq": seq,
        "expiration": seq + EXPIRY_SECONDS if seq else 0.0,
        "draining": False,
        "membership": "active",
    }


def _view(*records: dict[str, Any]) -> Membership:
    view = Membership()
    view.liveness = {record["id"]: record for record in records}
    return view


def test_the_newer_record_wins() -> None:
    view = _view(_liveness(1), _liveness(2, seq=NOW))

    view.merge({"liveness": [_liveness(2, seq=NOW + 5)], "descriptors": [], "settings": {}}, me=1)
    view.merge({"liveness": [_liveness(2, seq=NOW - 5)], "descriptors": [], "settings": {}}, me=1)

    assert view.liveness[2]["seq"] == NOW + 5


def test_nobody_else_writes_the_own_record() -> None:
    view = _view(_liveness(1))

    view.merge({"liveness": [_liveness(1, seq=NOW + 99)], "descriptors": [], "settings": {}}, me=1)

    assert view.liveness[1]["seq"] == NOW


def test_a_setting_written_later_wins_wherever_it_was_written() -> None:
    one, two = _view(_liveness(1)), _view(_liveness(2))
    one.set("option", "25.2", by=1)
    two.merge(one.snapshot(), me=2)
    two.set("option", "", by=2)

    one.merge(two.snapshot(), me=1)

    assert one.setting("option", default="unset") == ""


def test_a_node_is_live_until_its_liveness_expires() -> None:
    view = _view(_liveness(1))

    assert view.is_live(1, now=NOW + EXPIRY_SECONDS - 0.1)
    assert not view.is_live(1, now=NOW + EXPIRY_SECONDS + 0.1)


def test_a_store_that_asks_again_is_given_the_same_id() -> None:
    view = _view(_liveness(1), _liveness(2))

    fresh, known = view.admit("store-9"), view.admit("store-2")

    assert (fresh["id"], known["id"]) == (3, 2)


def test_an_id_is_not_given_to_two_stores() -> None:
    view = _view(_liveness(1), _liveness(2))

    assert view.conflicts(_liveness(2, store="another"))
    assert not view.conflicts(_liveness(3))
    assert view.admit("another", above=3)["id"] == 4


def test_a_node_never_heard_of_does_not_count_for_a_majority() -> None:
    view = _view(_liveness(1), _liveness(2, seq=0.0))

    assert view.voters() == [1]


def test_the_lowest_live_node_gives_out_ids() -> None:
    view = _view(_liveness(1, seq=NOW - 60), _liveness(2), _liveness(3))

    assert view.lowest_live(now=NOW) == 2


def test_a_silent_nodes_descriptor_is_forgotten_but_not_the_node() -> None:
    view = _view(_liveness(1))
    view.descriptors = {1: {"id": 1, "seq": NOW, "address": "a:1"}}

    view.forget(now=NOW + DESCRIPTOR_SECONDS + 1)

    assert view.descriptors == {}
    assert list(view.liveness) == [1]
