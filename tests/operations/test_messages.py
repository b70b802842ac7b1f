"""Every message round-trips as JSON, none is forgotten, and what was stored long ago still loads."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

import operations
from operations.messages import Decision, Token
from tests.operations.samples import PAYLOADS, SAMPLES, path_of

BY_NAME = {type(sample).__name__: sample for sample in SAMPLES}
#: Never sent as they are: what others are made from.
BASES = {"Request", "ClusterRequest"}


def _models() -> set[str]:
    modules = [
        importlib.import_module(f"operations.{found.name}") for found in pkgutil.iter_modules(operations.__path__)
    ]
    return {
        name
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    }


def test_every_message_has_a_sample() -> None:
    forgotten = {name for name in _models() - BASES - set(BY_NAME) if not name.startswith("_")}

    assert not forgotten, f"tests/operations/samples.py: add to SAMPLES one of each of {sorted(forgotten)}"


def test_every_message_has_a_stored_payload() -> None:
    missing = [path_of(type(sample)).name for sample in SAMPLES if not path_of(type(sample)).exists()]

    assert not missing, f"run `python -m tests.operations.samples` and commit {missing}"


@pytest.mark.parametrize("sample", SAMPLES, ids=list(BY_NAME))
def test_a_message_survives_json(sample: BaseModel) -> None:
    assert type(sample).model_validate_json(sample.model_dump_json()) == sample


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("*.json")), ids=lambda path: path.stem)
def test_a_payload_stored_long_ago_still_loads(path: Path) -> None:
    model = type(BY_NAME[path.stem.split("@")[0]])

    loaded = model.model_validate_json(path.read_text())
    assert type(loaded) is model
    assert set(loaded.model_fields_set) or not model.model_fields


@pytest.mark.parametrize("sample", SAMPLES, ids=list(BY_NAME))
def test_a_message_cannot_be_changed_once_it_is_made(sample: BaseModel) -> None:
    name = next(iter(type(sample).model_fields), "new")

    with pytest.raises(ValidationError, match="frozen"):
        setattr(sample, name, getattr(sample, name, None))


def test_every_samples_field_is_filled_in_so_that_its_shape_is_stored() -> None:
    empty = [
        f"{name}.{field}" for name, sample in BY_NAME.items() for field in set(type(sample).model_fields)
        if field not in sample.model_fields_set
    ]  # fmt: skip

    # Claims holds the fields of one verb; the others must be absent.
    assert set(empty) == {"Claims.request_id", "Claims.request_hash", "Claims.nodes"}


def test_a_decision_takes_no_more_words_than_a_card_can_show() -> None:
    token = Token(kid="", claims="", signature="")

    assert Decision(token=token, reason="x" * 500).reason
    with pytest.raises(ValidationError, match="at most 500"):
        Decision(token=token, reason="x" * 501)


def test_a_message_with_a_field_nobody_knows_is_refused_where_a_person_sends_it() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Decision.model_validate({"token": {"kid": "", "claims": "", "signature": ""}, "approve": True})
