"""Layers and OCI archives, byte for byte reproducible: sorted entries, zero times, root as the owner.

Lives here: the formats. Not here: what goes into a layer (base.py, wheels.py, recipes.py).
"""

import hashlib
import io
import json
import stat
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_BLOCK = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One uncompressed layer on disk."""

    path: Path
    digest: str
    size: int


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def describe(path: Path) -> Layer:
    """Hash a layer file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return Layer(path=path, digest="sha256:" + digest.hexdigest(), size=path.stat().st_size)


def write_layer(rootfs: Path, *, to: Path) -> Layer:
    """Pack a directory tree into a layer."""
    with tarfile.open(to, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(rootfs.rglob("*"), key=lambda item: item.relative_to(rootfs).as_posix()):
            _add(archive, path, name=path.relative_to(rootfs).as_posix())
    return describe(to)


def _add(archive: tarfile.TarFile, path: Path, *, name: str) -> None:
    facts = path.lstat()
    entry = tarfile.TarInfo(name)
    if stat.S_ISLNK(facts.st_mode):
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
        archive.addfile(entry)
    elif stat.S_ISDIR(facts.st_mode):
        sticky = facts.st_mode & stat.S_ISVTX
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if sticky else 0o755
        archive.addfile(entry)
    elif stat.S_ISREG(facts.st_mode):
        entry.size, entry.mode = facts.st_size, 0o755 if facts.st_mode & stat.S_IXUSR else 0o644
        with path.open("rb") as file:
            archive.addfile(entry, file)


def write_archive(
    to: Path,
    *,
    ref: str,
    layers: Sequence[Layer],
    entrypoint: Sequence[str],
    env: Mapping[str, str],
    labels: Mapping[str, str],
) -> str:
    """Write an OCI archive that `ctr images import` takes; returns the manifest's digest."""
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "User": "1000:1000",
                "Entrypoint": list(entrypoint),
                "Env": [f"{name}={value}" for name, value in sorted(env.items())],
                "WorkingDir": "/",
                "Labels": dict(labels),
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            "history": [{"created": "1970-01-01T00:00:00Z"} for _ in layers],
        }
    )
    kind = "application/vnd.oci.image"
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": {"mediaType": f"{kind}.config.v1+json", "digest": _digest(config), "size": len(config)},
            "layers": [
                {"mediaType": f"{kind}.layer.v1.tar", "digest": layer.digest, "size": layer.size} for layer in layers
            ],
            "annotations": dict(labels),
        }
    )
    index = _json(
        {
            "schemaVersion": 2,
            "manifests": [
                {
                    "mediaType": f"{kind}.manifest.v1+json",
                    "digest": _digest(manifest),
                    "size": len(manifest),
                    "platform": {"architecture": "amd64", "os": "linux"},
                    "annotations": {
                        "io.containerd.image.name": ref,
                        "org.opencontainers.image.ref.name": ref.rsplit(":", 1)[1],
                    },
                }
            ],
        }
    )
    with tarfile.open(to, mode="w", format=tarfile.PAX_FORMAT) as archive:
        _put(archive, "oci-layout", content=b'{"imageLayoutVersion":"1.0.0"}')
        _put(archive, "index.json", content=index)
        for blob in (manifest, config):
            _put(archive, _blob(_digest(blob)), content=blob)
        for layer in layers:
            with layer.path.open("rb") as file:
                _put_file(archive, _blob(layer.digest), file=file, size=layer.size)
    return _digest(manifest)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _blob(digest: str) -> str:
    return "blobs/sha256/" + digest.removeprefix("sha256:")


def _put(archive: tarfile.TarFile, name: str, *, content: bytes) -> None:
    _put_file(archive, name, file=io.BytesIO(content), size=len(content))


def _put_file(archive: tarfile.TarFile, name: str, *, file: BinaryIO, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    archive.addfile(entry, file)
