"""From words to the fields of a request model: `key=value`, `--key value`, `--flag`, and bare words in order.

Which model is wanted, and what the channel adds, is `bot.command`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

#: The word for a cluster, beside its bare name.
CLUSTER = "cluster"
REF = "ref"


class FieldError(Exception):
    """A word that does not fit: what is wrong and what to type."""

    def __init__(self, code: str, wrong: str, *, hint: str = "") -> None:
        super().__init__(wrong)
        self.code = code
        self.wrong = wrong
        self.hint = hint


@dataclass
class Given:
    """What stood on the line, by field name; `cluster` apart, since it becomes the reference."""

    cluster: str = ""
    values: dict[str, object] = field(default_factory=dict)


def _is_flag(info: FieldInfo) -> bool:
    return info.annotation is bool or bool in get_args(info.annotation)


def names_of(model: type[BaseModel]) -> list[str]:
    """Return the names a person may use as keys."""
    return [CLUSTER if name == REF else name for name in model.model_fields]


def bare_of(model: type[BaseModel]) -> list[str]:
    """Return the fields that bare words fill, in order: all that are required, or all of a model without a cluster."""
    has_cluster = REF in model.model_fields
    return [n for n, info in model.model_fields.items() if n != REF and (info.is_required() or not has_cluster)]


def read_fields(model: type[BaseModel], words: list[str], *, clusters: frozenset[str]) -> Given:
    """Sort words into the fields of a model.

    Args:
        model: The request model.
        words: What follows the verb.
        clusters: Known names: the first bare word is a cluster when it is one of these.

    Raises:
        FieldError: An unknown key, a missing or doubled value, or a word too many.
    """
    given = Given()
    bare = bare_of(model)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and len(word) > 2:
            key, has_value, value = word[2:].partition("=")
            name = _name(model, key)
            if not has_value:
                value = _value_after(model, name, rest)
            _put(given, name, value)
        elif "=" in word and _looks_like_key(word):
            key, _, value = word.partition("=")
            _put(given, _name(model, key), value)
        elif REF in model.model_fields and not given.cluster and word in clusters:
            given.cluster = word
        elif bare:
            given.values[bare.pop(0)] = word
        else:
            raise _surplus(model, word, clusters)
    return given


def _looks_like_key(word: str) -> bool:
    return word.partition("=")[0].replace("-", "").replace("_", "").isalpha()


def _name(model: type[BaseModel], key: str) -> str:
    name = key.strip().lower().replace("-", "_")
    names = names_of(model)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    expected = ", ".join(names) or "no arguments"
    raise FieldError(
        "command.unknown-argument",
        f"Found argument {key!r}, expected one of: {expected}.",
        hint=f"did you mean {near[0]}?" if near else "",
    )


def _value_after(model: type[BaseModel], name: str, rest: list[str]) -> str:
    if name != CLUSTER and _is_flag(model.model_fields[name]):
        return "true"
    if not rest or rest[0].startswith("--"):
        raise FieldError(
            "command.missing-value", f"Found --{name} without a value, expected one behind it.", hint=f"--{name} VALUE"
        )
    return rest.pop(0)


def _put(given: Given, name: str, value: str) -> None:
    if name == CLUSTER:
        if given.cluster and given.cluster != value:
            raise FieldError("command.twice", f"Found two clusters, {given.cluster!r} and {value!r}, expected one.")
        given.cluster = value
        return
    if name in given.values:
        raise FieldError("command.twice", f"Found {name} twice, expected it once.")
    given.values[name] = value


def _surplus(model: type[BaseModel], word: str, clusters: frozenset[str]) -> FieldError:
    if REF in model.model_fields and not any(c.isspace() for c in word):
        keys = [n for n, i in model.model_fields.items() if n != REF and not i.is_required() and not _is_flag(i)]
        how = f" Other values are written as {keys[0]}={word}." if keys else ""
        near = difflib.get_close_matches(word, clusters, n=1)
        known = ", ".join(sorted(clusters)) or "none"
        return FieldError(
            "command.surplus",
            f"Found {word!r}, expected a cluster ({known}) or nothing more.{how}",
            hint=f"did you mean {near[0]}?" if near else "",
        )
    return FieldError("command.surplus", f"Found {word!r}, expected nothing more.", hint="put several words in quotes")
