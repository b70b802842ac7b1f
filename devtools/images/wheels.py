"""The agent's layer of third-party Python packages, installed from the hash-locked file agent.lock.

Not here: Python itself (base.py), certagent (recipes.py).
"""

import os
import shutil
import sys
from pathlib import Path

from devtools.images import base, cache, oci

LOCK = Path(__file__).with_name("agent.lock")
SITE = "usr/lib/python3/dist-packages"

# certagent uses the blocking client; the asynchronous one is the larger half of the package.
_DROPPED = ("kubernetes/aio", "kubernetes/test", "bin", ".lock")
# Files that installers write about the machine they ran on.
_TRACES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")


def wheels(*, at: Path | None = None) -> Path:
    """The cached folder with `layer.tar`."""
    below = base.base(at=at)
    key = cache.hash_of(Path(__file__).read_bytes(), LOCK.read_bytes(), below.name)

    def fill(draft: Path) -> None:
        site = draft / "rootfs" / SITE
        site.mkdir(parents=True)
        cache.say("installing the agent's Python packages")
        install = [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--no-deps"),
            *("--only-binary", ":all:", "--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"),
            *("--link-mode", "copy", "--target", str(site), "-r", str(LOCK)),
        ]
        cache.run(install, where=draft, env=dict(os.environ))
        for name in _DROPPED:
            path = site / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for path in sorted(site.glob("*.dist-info/*")):
            if path.name in _TRACES:
                path.unlink()
        cache.say("compiling them")
        base.compile_python(draft / "rootfs", base_rootfs=below / "rootfs", folders=[SITE])
        oci.write_layer(draft / "rootfs", to=draft / "layer.tar")
        shutil.rmtree(draft / "rootfs")

    return cache.folder(f"wheels-{key}", fill=fill, cache=at)
