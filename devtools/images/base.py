"""The base layer of both images: Python 3.11 and the programs `timeout` and `sleep`, of Debian packages.

Packages come through apt-get, which checks their signatures, and are unpacked without being installed. Everything is
compiled ahead, because the containers' root file systems are read-only. Not here: wheels (wheels.py), our own code
(recipes.py).
"""

import json
import os
import shutil
from pathlib import Path

from devtools.images import cache, oci

_PACKAGES = (
    "base-files",
    "coreutils",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libuuid1",
    "media-types",
    "python3.11-minimal",
    "zlib1g",
)
# Of coreutils a pod needs these two; of the rest nobody reads manuals or converts character sets in a container.
_KEPT_PROGRAMS = ("timeout", "sleep", "python3.11")
_DROPPED = (
    "usr/share",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/x86_64-linux-gnu/coreutils",
    "usr/lib/python3.11/lib2to3",
    "usr/lib/python3.11/idlelib",
    "usr/lib/python3.11/pydoc_data",
    "usr/sbin",
    "sbin",
    "var",
    "etc/update-motd.d",
    "etc/profile.d",
)
_FILES = {
    "etc/passwd": "root:x:0:0:root:/:/nologin\ncockroach:x:1000:1000:database node:/:/nologin\n",
    "etc/group": "root:x:0:\ncockroach:x:1000:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_EMPTY = ("dev", "etc", "home", "proc", "run", "sys", "tmp", "usr/lib/python3/dist-packages")


def base(*, at: Path | None = None) -> Path:
    """The cached folder with `layer.tar` and the tree it was made of, `rootfs`."""
    recipe = Path(__file__).read_bytes() + Path(oci.__file__).read_bytes()
    return cache.folder(f"base-{cache.hash_of(recipe)}", fill=_fill, cache=at)


def _fill(draft: Path) -> None:
    if cache.run(["dpkg", "--print-architecture"], where=draft).strip() != "amd64":
        raise cache.UnsupportedError("images are built for amd64 alone; this machine is another one")
    debs = draft / "debs"
    debs.mkdir()
    cache.say(f"fetching {len(_PACKAGES)} Debian packages")
    _fetch(debs)
    rootfs = draft / "rootfs"
    rootfs.mkdir()
    names = sorted(path.name for path in debs.glob("*.deb"))
    for name in names:
        cache.run(["dpkg", "-x", str(debs / name), str(rootfs)], where=draft)
    _trim(rootfs)
    cache.say("compiling the standard library")
    compile_python(rootfs, base_rootfs=rootfs, folders=["usr/lib/python3.11"])
    oci.write_layer(rootfs, to=draft / "layer.tar")
    (draft / "packages.json").write_text(json.dumps(names, indent=1))
    shutil.rmtree(debs)


def _fetch(debs: Path) -> None:
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *_PACKAGES]
    try:
        cache.run(command, where=debs)
    except cache.UnsupportedError:
        raise
    except cache.BuildError:
        if os.geteuid() != 0:
            raise
        cache.say("refreshing the lists of Debian packages")
        cache.run(["apt-get", "-q", "update"], where=debs)
        cache.run(command, where=debs)


def _trim(rootfs: Path) -> None:
    for name in _DROPPED:
        shutil.rmtree(rootfs / name, ignore_errors=True)
    for programs in (rootfs / "bin", rootfs / "usr/bin"):
        for path in programs.iterdir():
            if path.name not in _KEPT_PROGRAMS:
                path.unlink()
    (rootfs / "usr/bin/python3").symlink_to("python3.11")
    for name in _EMPTY:
        (rootfs / name).mkdir(parents=True, exist_ok=True)
    (rootfs / "tmp").chmod(0o1777)
    for name, text in _FILES.items():
        (rootfs / name).write_text(text)


def compile_python(tree: Path, *, base_rootfs: Path, folders: list[str]) -> None:
    """Compile modules below `tree` with the image's own Python, run by its own loader from outside the image.

    Unchecked hash files: no time stamps, and no look at the source when a module is imported.
    """
    libraries = ":".join(str(base_rootfs / name) for name in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"))
    python = [
        str(base_rootfs / "lib64/ld-linux-x86-64.so.2"),
        "--library-path",
        libraries,
        str(base_rootfs / "usr/bin/python3.11"),
    ]
    strip = ["-s", str(tree), "-p", "/"]
    command = [*python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", *strip, *folders]
    env = {
        "PYTHONHOME": str(base_rootfs / "usr"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PATH": "/usr/bin:/bin",
    }
    cache.run(command, where=tree, env=env)
