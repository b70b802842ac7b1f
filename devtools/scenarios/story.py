"""What a scenario is, and which there are: every module of this package that has a `STORY`.

Playing them, with the world that they need, is `devtools.scenario`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from devtools import scenarios
from devtools.scenarios.driver import Driver
from devtools.scenarios.told import Told
from devtools.stack import Transport

BOTH: tuple[Transport, ...] = ("http", "socket")


@dataclass(frozen=True)
class Story:
    """One scenario.

    Args:
        play: Plays it in a world that is up; returns what was counted, for the transcript.
        settings: More TOML for the world's `crdbops.toml`.
        transports: How Slack reaches the bot; it is played once over each, one after the other, on one Kubernetes.
        versions: Releases of the database that can be upgraded to, as in ("v25.2.4", "v25.4.1").
        nodes: Nodes of its Kubernetes, at least; whoever plays it may ask for more.
    """

    play: Callable[[Driver, Told], Awaitable[dict[str, object]]]
    settings: str = ""
    transports: tuple[Transport, ...] = ("http",)
    versions: tuple[str, ...] = ()
    nodes: int = 1


def stories() -> dict[str, tuple[Story, str]]:
    """Return the scenarios there are, each with the first line of its module's docstring."""
    found: dict[str, tuple[Story, str]] = {}
    for module in sorted(pkgutil.iter_modules(scenarios.__path__), key=lambda m: m.name):
        loaded = importlib.import_module(f"{scenarios.__name__}.{module.name}")
        story = getattr(loaded, "STORY", None)
        if isinstance(story, Story):
            found[module.name.replace("_", "-")] = (story, (loaded.__doc__ or "").splitlines()[0])
    return found
