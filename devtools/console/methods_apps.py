"""apps.connections.open: where the app connects to for Socket Mode. It wants the app's own token, not the bot's.

The lines themselves are `sockets.py`'s.
"""

from __future__ import annotations

from devtools.console.limits_text import Json
from devtools.console.methods import Method
from devtools.console.refusal import RefusalError
from devtools.console.workspace import APP_ID
from devtools.console.world import World


def connections_open(world: World, args: Json) -> Json:
    """apps.connections.open."""
    if not world.manifest.is_socket:
        raise RefusalError("access_denied", detail="the manifest does not turn Socket Mode on")
    address = world.base_url.replace("http://", "ws://", 1)
    return {"ok": True, "url": f"{address}/link/?ticket={world.tickets.issue_link()}&app_id={APP_ID}"}


METHODS = (Method("apps.connections.open", connections_open, {}, {}, caller="app", per_minute=50),)
