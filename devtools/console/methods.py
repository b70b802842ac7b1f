"""What a Web API method is: its name, scope, arguments and handler; and how arguments are read from JSON or a form.

The methods themselves are in `methods_*.py`, one file a family;
tokens, faults and recording are in `webapi.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from devtools.console.limits_text import Json
from devtools.console.refusal import RefusalError
from devtools.console.world import World

Kind: TypeAlias = Literal["text", "json", "flag", "number"]


@dataclass(frozen=True)
class Method:
    """`required` and `optional` map an argument to its kind; one of `scopes` is needed, unless there are none.

    `per_minute` is Slack's rate tier for the method; `caller` is whose token it wants.
    """

    name: str
    handler: Callable[[World, Json], Json]
    required: dict[str, Kind]
    optional: dict[str, Kind]
    scopes: tuple[str, ...] = ()
    per_minute: int = 50
    caller: Literal["bot", "app"] = "bot"

    def read(self, given: dict[str, Any]) -> Json:
        """Turn what came over the wire into typed arguments, refusing what the method does not take."""
        known = {**self.required, **self.optional}
        unknown = [name for name in given if name not in known]
        problems = [f"[ERROR] unknown argument [json-pointer:/{name}]" for name in unknown]
        missing = [name for name in self.required if given.get(name) in (None, "")]
        problems += [f"[ERROR] missing required field: {name}" for name in missing]
        if problems:
            raise RefusalError("invalid_arguments", response_metadata={"messages": problems})
        return {name: _read(value, kind=known[name], name=name) for name, value in given.items()}


def _read(value: Any, *, kind: Kind, name: str) -> Any:
    try:
        if kind == "json":
            return json.loads(value) if isinstance(value, str) else value
        if kind == "flag":
            return (
                value if isinstance(value, bool) else {"true": True, "1": True, "false": False, "0": False}[str(value)]
            )
        if kind == "number":
            return int(value)
    except (ValueError, KeyError) as error:
        message = f"[ERROR] must be a {kind}; found {value!r} [json-pointer:/{name}]"
        raise RefusalError("invalid_arguments", response_metadata={"messages": [message]}) from error
    return value
