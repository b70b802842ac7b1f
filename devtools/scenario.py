"""`make scenario NAME=x`: plays a story without hands on a world of its own, and says whether it went as it must.

The stories are in `devtools/scenarios`, one file each. The last line is `scenario x: passed` or `scenario x: failed`;
everything is taken down either way, and the logs are kept when it failed.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import sys
import time
import traceback

from devtools import scenarios
from devtools.demo import state_folder
from devtools.machine import why_no_cluster
from devtools.scenarios.told import Told
from devtools.stack import Stack
from gateway.ending import end

#: Modules beside the stories that the stories share.
_NO_STORIES = ("told", "driver", "rogue", "leaks", "secrets_of_run")


def names() -> list[str]:
    """Return the scenarios there are."""
    return sorted(m.name for m in pkgutil.iter_modules(scenarios.__path__) if m.name not in _NO_STORIES)


async def play(name: str) -> bool:
    """Play one scenario; True when it passed."""
    story = importlib.import_module(f"devtools.scenarios.{name}")
    begun = time.monotonic()
    told = Told(begun)
    stack = Stack(
        state_folder(f"scenario-{name}-{os.getpid()}"),
        name=f"sc{os.getpid()}",
        say=told.progress,
        settings=getattr(story, "SETTINGS", ""),
        transport=getattr(story, "TRANSPORT", "http"),
    )
    passed = False
    try:
        await stack.up()
        counts = await story.play(stack, told)
        passed = True
        print(f"scenario {name}: " + ", ".join(f"{value} {what}" for what, value in counts.items()))
    except Exception:  # noqa: BLE001 - whatever went wrong is what this reports
        traceback.print_exc()
        for child in stack.children.values():
            print(f"--- end of {child.log}\n{child.tail()}")
    finally:
        await stack.down()
        if passed:
            stack.forget()
    return passed


def main(arguments: list[str]) -> int:
    """Play the named scenario; 0 passed, 1 failed, 2 no such scenario or machine."""
    if len(arguments) != 1 or arguments[0] not in names():
        found = " ".join(arguments) or "none"
        print(f"found scenario {found}, expected one of: {', '.join(names())}; for example make scenario NAME=deploy")
        return 2
    why = why_no_cluster()
    if why:
        print(f"make scenario: {why}.", file=sys.stderr)
        return 2
    passed = asyncio.run(play(arguments[0]))
    print(f"scenario {arguments[0]}: {'passed' if passed else 'failed'}", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    end(main(sys.argv[1:]))
