"""The journal on disk: what is appended is there again, what was torn off is not, what is corrupt is refused."""

import json
from pathlib import Path

import pytest

from devtools.cockroach.failure import VerbError
from devtools.cockroach.journal import Entry, Journal, entry

FILE = "STANDIN-JOURNAL.jsonl"


def _opened(folder: Path) -> Journal:
    journal = Journal(str(folder))
    journal.open()
    return journal


def _set(number: int, *, term: int = 1) -> Entry:
    return entry(term, {"kind": "set", "name": "x", "value": f"é{number}"}, id=str(number))


def _admit(node: int) -> Entry:
    return entry(1, {"kind": "admit", "id": node, "store_id": f"s{node}", "address": f"a:{node}"})


def test_entries_are_read_again(tmp_path: Path) -> None:
    _opened(tmp_path).append([_set(1), _set(2, term=3)])

    again = _opened(tmp_path)

    assert [again[place]["id"] for place in (1, 2)] == ["1", "2"]
    assert again.last == (3, 2)


@pytest.mark.parametrize("torn", ['{"term":1,', '{"term":1,"id":"9","op":{}}'])
def test_a_line_without_its_end_was_told_to_nobody(tmp_path: Path, torn: str) -> None:
    _opened(tmp_path).append([_set(1)])
    with (tmp_path / FILE).open("a") as file:
        file.write(torn)

    _opened(tmp_path).append([_set(2)])

    assert [json.loads(line)["id"] for line in (tmp_path / FILE).read_text().splitlines()] == ["1", "2"]


def test_a_corrupt_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"term":1,"id":"","op":{"kind":"nothing"}}\n{"term":\n{}\n')

    with pytest.raises(VerbError, match="journal is corrupt: line 2 of "):
        _opened(tmp_path)


def test_what_is_cut_is_gone_from_disk_and_roster(tmp_path: Path) -> None:
    journal = _opened(tmp_path)
    journal.append([_admit(1), _set(2), _admit(2)])

    journal.cut(2)
    journal.append([_set(3)])
    again = _opened(tmp_path)

    assert [again[place]["id"] for place in (1, 2, 3)] == ["", "2", "3"]
    assert list(journal.roster.nodes) == list(again.roster.nodes) == [1]


def test_a_chunk_fits_into_a_frame_and_is_never_empty(tmp_path: Path) -> None:
    journal = _opened(tmp_path)
    journal.append([entry(1, {"kind": "nothing", "pad": "x" * 700_000}) for _ in range(3)])

    assert [len(journal.chunk(place)) for place in (1, 3, 4)] == [1, 1, 0]


def test_a_node_counts_once_it_is_promoted(tmp_path: Path) -> None:
    journal = _opened(tmp_path)
    journal.append([_admit(1), _admit(2), entry(1, {"kind": "promote", "id": 1})])

    assert (journal.roster.voters(), journal.roster.newcomers()) == ([1], [2])
    assert journal.roster.next_id() == 3
