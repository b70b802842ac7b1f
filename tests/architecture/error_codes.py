"""Which error codes the code uses: every text that is passed where something takes a `code`, and its likes.

Codes also stand in tables and are handed on by variables. So the areas (what is before the dot) are taken from where a
code is surely passed, and then every text of such an area counts, but for names of activities and files.

`python -m tests.architecture.error_codes` prints the rows that docs/reference/errors.md lacks or has too many.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from domain.csr import judge
from tests.architecture.source_tree import ROOT, files, name_of, parse, production
from tests.domain.given import NODE, POLICY

PAGE = ROOT / "docs" / "reference" / "errors.md"
CODE = re.compile(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z0-9]+)*")
IN_SENTENCE = re.compile(rf"\[((?:{CODE.pattern.replace('(', '(?:')}))\]")
#: Texts of an error's area that are no codes.
_NAMES = {"ca.crt", "ca.key", "kubernetes.io", "cluster.local"}


def used() -> dict[str, str]:
    """Every code, with the place where it stands first."""
    takers = _takers()
    areas = {code.split(".")[0] for path in production() for code, _ in _passed(path, takers)}
    other = _NAMES | checks() | {name for path in production() for name in _activities(path)}
    found: dict[str, str] = {}
    for path in production():
        for code, line in _constants(parse(path)):
            if code.split(".")[0] in areas and code not in other:
                found.setdefault(code, f"{name_of(path)}:{line}")
    return found


def checks() -> set[str]:
    """The codes of the checks of a request; no errors, but what a card and a refusal name."""
    return {check.code for check in judge(NODE, POLICY).checks}


def documented(heading: str) -> set[str]:
    """The codes in the table below a heading of the page."""
    section = PAGE.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE))


def _takers() -> dict[str, int]:
    """Functions and classes that take a `code`, by name, with its place among the arguments."""
    places: dict[str, int] = {}
    for path in (*production(), *files("domain")):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef):
                names = [base.id for base in node.bases if isinstance(base, ast.Name)]
                if node.name.endswith("Error") and any(name == "OpsError" or name.endswith("Error") for name in names):
                    places[node.name] = 0
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
                arguments = [name for name in arguments if name not in ("self", "cls")]
                if "code" in arguments and node.name != "__init__":
                    places[node.name] = arguments.index("code")
    return places


def _passed(path: Path, takers: dict[str, int]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parse(path)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        texts = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        if name in takers and len(node.args) > takers[name]:
            texts.append(node.args[takers[name]])
        for text in texts:
            yield from _constants(text)


def _activities(path: Path) -> Iterator[str]:
    """Names given by `@activity.defn(name=...)`, which look like codes."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "defn":
            values = [keyword.value.value for keyword in node.keywords if isinstance(keyword.value, ast.Constant)]
            yield from (value for value in values if isinstance(value, str))


def _constants(node: ast.AST) -> Iterator[tuple[str, int]]:
    """The texts in a piece of code that could be codes, and codes in brackets inside a sentence."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            if CODE.fullmatch(inner.value):
                yield inner.value, inner.lineno
            yield from ((code, inner.lineno) for code in IN_SENTENCE.findall(inner.value))


def complaints() -> list[str]:
    """What the page lacks or has too many, each as the line to add or to remove."""
    codes, errors, requests = used(), documented("Errors"), documented("Checks of a certificate signing request")
    lines = [f"add to Errors: | `{code}` | … | … |   (used in {codes[code]})" for code in sorted(set(codes) - errors)]
    lines += [f"remove from Errors: `{code}`, which nothing uses" for code in sorted(errors - set(codes))]
    lines += [f"add to Checks: | `{code}` | … | … |" for code in sorted(checks() - requests)]
    lines += [f"remove from Checks: `{code}`" for code in sorted(requests - checks())]
    return lines


if __name__ == "__main__":
    import sys

    sys.stdout.write("\n".join(complaints()) + "\n")
