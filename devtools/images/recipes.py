"""What the two images are made of, and their names.

An image is the base layer, for the agent a layer of wheels, and a small layer of our own code, so that a changed line
costs one small layer; the database's release is a last layer of one file, so that its releases share all others. Not
here: those layers (base.py, wheels.py), formats (oci.py), where things are kept (cache.py).
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from devtools.images import base, cache, oci, wheels

_TREE = Path(__file__).resolve().parents[2]
_CONTENT_LABEL = "internal.crdbops.content"
_KEPT_ARCHIVES = 8  # a world may have several releases of the database

_ENV = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}

# Isolated: neither the environment nor the working folder changes what runs. The Kubernetes client is hundreds of model
# classes, and collecting garbage while they are made cost a sixth of the start.
_AGENT_PROGRAM = """\
#!/usr/bin/python3.11 -I
import gc
import runpy

gc.set_threshold(200_000, 20, 20)
runpy.run_module("certagent", run_name="__main__", alter_sys=True)
"""
# Without `site` as well, which makes each start faster; it needs nothing but the standard library.
_DATABASE_PROGRAM = """\
#!/usr/bin/python3.11 -IS
import sys

sys.path.insert(0, "/cockroach/lib")
from devtools.cockroach.main import main

sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A built image: the name pods use, the OCI archive, and the digest of its manifest."""

    ref: str
    archive: Path
    digest: str


def agent_image(*, source: Path | None = None, at: Path | None = None) -> Image:
    """Build certagent's image, or take it from the cache; its tag is a hash of its content.

    Args:
        source: the folder of the certagent package, this checkout's by default.
        at: the cache folder.

    Raises:
        BuildError: with what was found and what to do.
    """
    code = _modules(source or _TREE / "certagent")
    third_party = wheels.wheels(at=at)
    layers = [oci.describe(base.base(at=at) / "layer.tar"), oci.describe(third_party / "layer.tar")]
    files = {f"{wheels.SITE}/certagent/{name}": content for name, content in code.items()}
    return _image(
        name="crdbops-agent",
        layers=layers,
        files=files,
        program=("crdbops/certagent", _AGENT_PROGRAM),
        compiled=f"{wheels.SITE}/certagent",
        at=at,
    )


def database_image(version: str = "v25.2.3", *, source: Path | None = None, at: Path | None = None) -> Image:
    """Build the stand-in database node's image, or take it from the cache; its tag is the release it plays.

    The same tag can mean other content after an edit: compare digests, or the content label.

    Raises:
        BuildError: with what was found and what to do.
    """
    if not re.fullmatch(r"v\d+\.\d+\.\d+(-[a-z0-9.]+)?", version):
        raise cache.UnsupportedError(f"version is {version!r}; expected a release such as v25.2.3")
    code = _modules(source or _TREE / "devtools" / "cockroach")
    files = {f"cockroach/lib/devtools/cockroach/{name}": content for name, content in code.items()}
    files["cockroach/lib/devtools/__init__.py"] = b""
    return _image(
        name="cockroach",
        layers=[oci.describe(base.base(at=at) / "layer.tar")],
        files=files,
        last={"cockroach/VERSION": f"{version}\n".encode()},
        program=("cockroach/cockroach", _DATABASE_PROGRAM),
        compiled="cockroach/lib",
        tag=version,
        at=at,
    )


def _modules(folder: Path) -> dict[str, bytes]:
    """Every Python file below a package, by its path inside."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.py"))}
    if "__init__.py" not in found:
        raise cache.BuildError(f"{folder} holds no Python package; expected a folder with __init__.py")
    return found


def _written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def _image(
    *,
    name: str,
    layers: list[oci.Layer],
    files: dict[str, bytes],
    program: tuple[str, str],
    compiled: str,
    last: Mapping[str, bytes] = MappingProxyType({}),
    tag: str = "",
    at: Path | None,
) -> Image:
    """Build one image; `last` are files of a layer of their own, on top."""
    entry, script = program
    every = {**files, **last}
    inputs = [part for path in sorted(every) for part in (path.encode(), every[path])]
    recipe = Path(__file__).read_bytes() + Path(oci.__file__).read_bytes()
    content = cache.hash_of(recipe, *(layer.digest for layer in layers), entry, script, tag, *inputs)
    ref = f"local.invalid/{name}:{tag or content}"

    def fill(draft: Path) -> None:
        cache.say(f"building {ref}")
        rootfs = _written(draft / "rootfs", {**files, entry: script.encode()})
        (rootfs / entry).chmod(0o755)
        base.compile_python(rootfs, base_rootfs=base.base(at=at) / "rootfs", folders=[compiled])
        ours = [oci.write_layer(rootfs, to=draft / "ours.tar")]
        if last:
            ours.append(oci.write_layer(_written(draft / "last", last), to=draft / "last.tar"))
        digest = oci.write_archive(
            draft / "image.tar",
            ref=ref,
            layers=[*layers, *ours],
            entrypoint=[f"/{entry}"],
            env=_ENV,
            labels={_CONTENT_LABEL: content},
        )
        for written in draft.glob("*/"):
            shutil.rmtree(written)
        for layer in ours:
            layer.path.unlink()
        (draft / "image.json").write_text(json.dumps({"ref": ref, "digest": digest}))

    folder = cache.folder(f"{name}-{content}", fill=fill, cache=at)
    for kind, count in ((name, _KEPT_ARCHIVES), ("wheels", 2), ("base", 2)):
        cache.keep_newest(kind, count=count, cache=at)
    digest = str(json.loads((folder / "image.json").read_text())["digest"])
    return Image(ref=ref, archive=folder / "image.tar", digest=digest)
