"""OCI image archives: write one of a single layer, read which images one holds.

Enough for the pause image and for `Cluster.load_image`; the images with a Python in them are `devtools/images`'.
"""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devtools.cluster.errors import ClusterError

_IMAGE = "application/vnd.oci.image"
_NAME = "io.containerd.image.name"


@dataclass(frozen=True)
class ArchivedImage:
    """An image of an archive: its name and the digest of its manifest (or index)."""

    name: str
    digest: str


def write(path: Path, *, name: str, files: dict[str, tuple[bytes, int]], entrypoint: list[str]) -> None:
    """Write an image of `files` (path in the image to content and mode); same input, same bytes."""
    layer = _tar({file: files[file] for file in sorted(files)})
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Entrypoint": entrypoint, "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created": "1970-01-01T00:00:00Z"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_IMAGE}.manifest.v1+json",
            "config": _descriptor(config, kind="config.v1+json"),
            "layers": [_descriptor(layer, kind="layer.v1.tar")],
        }
    )
    described = {
        **_descriptor(manifest, kind="manifest.v1+json"),
        "platform": {"architecture": "amd64", "os": "linux"},
        "annotations": {_NAME: name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]},
    }
    blobs = {f"blobs/sha256/{_digest(blob).removeprefix('sha256:')}": blob for blob in (manifest, config, layer)}
    content = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [described]}),
        **blobs,
    }
    path.write_bytes(_tar({file: (blob, 0o644) for file, blob in content.items()}))


def read(path: Path) -> list[ArchivedImage]:
    """Say what an archive holds.

    Raises:
        ClusterError: It is no OCI archive, or an image in it has no name.
    """
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile("index.json")
            index: dict[str, Any] = json.load(member) if member else {}
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise ClusterError(f"{path} is no OCI image archive (a tar file with an index.json): {error}") from error
    images = []
    for described in index.get("manifests", []):
        name = described.get("annotations", {}).get(_NAME)
        if not name:
            raise ClusterError(f"{path} holds an image without a name; index.json must have its annotation {_NAME}.")
        images.append(ArchivedImage(name=name, digest=described["digest"]))
    if not images:
        raise ClusterError(f"{path} holds no image.")
    return images


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name.lstrip("/"))
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(blob: bytes, *, kind: str) -> dict[str, Any]:
    return {"mediaType": f"{_IMAGE}.{kind}", "digest": _digest(blob), "size": len(blob)}
