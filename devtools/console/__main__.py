"""`python -m devtools.console`: serves the stand-in workspace until it is stopped.

Everything it can do is in `server.py`. Secrets come from the environment, never from arguments, which anybody can list.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from devtools.console.manifest import DEFAULT_PATH, SOCKET_PATH
from devtools.console.server import APP_DEFAULT, BOT_DEFAULT, SIGNING_DEFAULT, SLACK_RATES, Console


def main() -> int:
    """Serve until stopped; 2 when it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m devtools.console",
        description="A stand-in for a Slack workspace. The bot reads the same two variables as its settings.",
        epilog=(
            "Environment: CONSOLE_SIGNING_SECRET, CONSOLE_BOT_TOKEN, CONSOLE_APP_TOKEN "
            "(all have defaults for a machine of your own)."
        ),
    )
    parser.add_argument("--port", type=int, default=3900, help="where to listen, on 127.0.0.1 (default %(default)s)")
    parser.add_argument("--bot-url", help="where the bot hears, in place of the manifest's addresses")
    parser.add_argument(
        "--transport",
        choices=("http", "socket"),
        default="http",
        help="how the bot hears (default %(default)s); chooses the manifest",
    )
    parser.add_argument("--manifest", type=Path, help="another manifest, which says itself how the bot hears")
    parser.add_argument("--rates", action="store_true", help="enforce Slack's rate limits")
    arguments = parser.parse_args()
    try:
        console = Console(
            port=arguments.port,
            bot_url=arguments.bot_url,
            manifest=arguments.manifest or (SOCKET_PATH if arguments.transport == "socket" else DEFAULT_PATH),
            rates=SLACK_RATES if arguments.rates else None,
            signing_secret=os.environ.get("CONSOLE_SIGNING_SECRET", SIGNING_DEFAULT),
            bot_token=os.environ.get("CONSOLE_BOT_TOKEN", BOT_DEFAULT),
            app_token=os.environ.get("CONSOLE_APP_TOKEN", APP_DEFAULT),
        )
        asyncio.run(_serve(console))
    except (OSError, ValueError) as error:
        print(f"console: {error}", file=sys.stderr)
        return 2
    return 0


async def _serve(console: Console) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with console:
        print(f"Stand-in workspace (not Slack): {console.url}", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    raise SystemExit(main())
