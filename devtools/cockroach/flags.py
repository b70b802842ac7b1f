"""Command-line flags in the vendor's style: `--name=value`, `--name value`, repeated flags, exit code 4 for mistakes.

Lives here: the parser and Go-style durations. Not here: which flags a verb takes (each verb names its own).
argparse is not used: it costs start-up time and words its errors differently.
"""

import re

from devtools.cockroach.failure import BAD_FLAG, VerbError

VALUE = "value"  # takes a value
MANY = "many"  # takes a value, may be repeated
SWITCH = "switch"  # true when given
OPTIONAL = "optional"  # a value may follow, only as --flag=value

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Flags:
    """Parsed flags and the words that were not flags."""

    def __init__(self, values: dict[str, list[str]], words: list[str]) -> None:
        self._values = values
        self.words = words

    def one(self, name: str, *, default: str = "") -> str:
        """The last value given for a flag."""
        given = self._values.get(name)
        return given[-1] if given else default

    def many(self, name: str) -> list[str]:
        """Every value given for a flag; a value may itself be a comma-separated list."""
        return [part for value in self._values.get(name, []) for part in value.split(",") if part]

    def each(self, name: str) -> list[str]:
        """Every value given for a flag, whole."""
        return list(self._values.get(name, []))

    def on(self, name: str) -> bool:
        """Whether a switch is set."""
        return self.one(name, default="false").lower() in {"true", "1", "t"}


def parse(args: list[str], *, known: dict[str, str], short: dict[str, str] | None = None) -> Flags:
    """Parse `args` by the table of known flags.

    Raises:
        VerbError: unknown flag or missing value, with the exit code of bad flags.
    """
    values: dict[str, list[str]] = {}
    words: list[str] = []
    shorts = short or {}
    queue = list(args)
    while queue:
        arg = queue.pop(0)
        if arg == "--":
            words.extend(queue)
            break
        if not arg.startswith("-") or arg == "-":
            words.append(arg)
            continue
        name, has_value, value = _split(arg, shorts=shorts)
        kind = known.get(name) or (OPTIONAL if name.startswith("log") else None)
        if kind is None:
            raise VerbError(_unknown(arg), code=BAD_FLAG)
        if kind in (SWITCH, OPTIONAL):
            value = value if has_value else "true"
        elif not has_value:
            if not queue:
                raise VerbError(f"flag needs an argument: {arg}", code=BAD_FLAG)
            value = queue.pop(0)
        values.setdefault(name, []).append(value)
    return Flags(values, words)


def _split(arg: str, *, shorts: dict[str, str]) -> tuple[str, bool, str]:
    if arg.startswith("--"):
        name, equals, value = arg[2:].partition("=")
        return name, bool(equals), value
    name = shorts.get(arg[1], "")
    rest = arg[2:].removeprefix("=")
    return name, bool(rest), rest


def _unknown(arg: str) -> str:
    if arg.startswith("--"):
        return f"unknown flag: {arg.partition('=')[0]}"
    return f"unknown shorthand flag: '{arg[1]}' in {arg}"


def seconds(text: str, *, flag: str) -> float:
    """Read a Go duration such as `5s`, `1m30s` or `500ms`; `0` means none."""
    if text in ("", "0"):
        return 0.0
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise VerbError(
            f'invalid argument "{text}" for "--{flag}" flag: time: invalid duration "{text}"', code=BAD_FLAG
        )
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
