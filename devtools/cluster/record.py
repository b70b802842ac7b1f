"""What a cluster's folder says about itself, and how files are written there.

The record is also the mark that the folder is a cluster's: nothing is written into or removed from another one.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from devtools.cluster.errors import ClusterError
from devtools.cluster.layout import Layout


@dataclass(frozen=True)
class Record:
    """The latest start; without a port if none came as far."""

    name: str
    port: int | None = None
    build: str | None = None
    nodes: int = 1

    @classmethod
    def read(cls, layout: Layout) -> "Record | None":
        """The record, or None if there is none."""
        try:
            return cls(**json.loads(layout.marker.read_text()))
        except FileNotFoundError:
            return None

    def write(self, layout: Layout) -> None:
        """Keep the record."""
        replace(layout.marker, json.dumps(asdict(self)))


def check_folder(layout: Layout) -> None:
    """Refuse to touch a folder that is not this cluster's.

    Raises:
        ClusterError: It holds something else.
    """
    found = Record.read(layout)
    if found and found.name != layout.name:
        raise ClusterError(f'{layout.state} is the folder of the cluster "{found.name}", not of "{layout.name}".')
    if found or not layout.state.exists():
        return
    if not layout.state.is_dir() or any(path != layout.lock for path in layout.state.iterdir()):
        raise ClusterError(f"{layout.state} is no folder of a cluster and not empty; name an empty or a new one.")


def replace(path: Path, content: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(content)
    part.replace(path)
