"""`python -m devtools.console.manifest_files`: makes both manifests in `deploy/slack` of their one template.

What stands in a manifest is the template's; here is only in what the two ways to hear of Slack differ. Reading one is
`manifest.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from devtools.console.limits_text import Json
from devtools.console.manifest import DEFAULT_PATH, FOLDER, SOCKET_PATH

TEMPLATE = FOLDER / "template.json"
#: Stands in the template wherever Slack wants an address of ours.
ADDRESS = "{address}"
#: To be replaced by whoever installs the app with HTTP; an example by the rules of the trade.
EXAMPLE = "https://crdb.example.com/slack/events"


def render(template: Json, *, is_socket: bool) -> Json:
    """Fill the template in: addresses for HTTP, none for Socket Mode."""
    content: Json = _filled(template, "" if is_socket else EXAMPLE)
    content["settings"]["socket_mode_enabled"] = is_socket
    return content


def _filled(value: Any, address: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(part, address) for key, part in value.items() if address or part != ADDRESS}
    if isinstance(value, list):
        return [_filled(part, address) for part in value]
    return address if value == ADDRESS else value


def files() -> dict[Path, str]:
    """Return what stands in each manifest's file."""
    template = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    made = {DEFAULT_PATH: render(template, is_socket=False), SOCKET_PATH: render(template, is_socket=True)}
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in made.items()}


def main() -> None:
    """Write the files."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
