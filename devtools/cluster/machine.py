"""Whether this machine can run the dev cluster, and the distribution's packages that it needs.

The only place that changes anything outside the caches and state folders: it installs packages, and says so.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from devtools.cluster import cgroups
from devtools.cluster.errors import ClusterError, UnsupportedMachineError
from devtools.cluster.report import Report

# Something that the package brings, and its name.
PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "/usr/lib/cni/portmap": "containernetworking-plugins",
    "iptables": "iptables",
    "nft": "nftables",
    "conntrack": "conntrack",
    "socat": "socat",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def check() -> None:
    """Refuse a machine that nothing can be done about.

    Raises:
        UnsupportedMachineError: In one sentence, what is wrong.
    """
    system = f"{sys.platform} {platform.machine()}"
    if system != "linux x86_64":
        raise UnsupportedMachineError(f"The dev cluster needs Linux on x86-64; this is {system}.")
    if os.geteuid() != 0:
        raise UnsupportedMachineError(f"The dev cluster needs root; this is user id {os.geteuid()}: try with sudo.")
    cgroups.check()


def missing_packages(path: str = SEARCHED) -> list[str]:
    """Names of the packages that are not there."""
    return sorted({name for sign, name in PACKAGES.items() if not _is_there(sign, path=path)})


def _is_there(sign: str, *, path: str) -> bool:
    return Path(sign).exists() if sign.startswith("/") else shutil.which(sign, path=path) is not None


def ensure_packages(report: Report, *, path: str = SEARCHED) -> None:
    """Install what is missing; `path` is where programs are looked for.

    Raises:
        UnsupportedMachineError: There is no apt-get.
        ClusterError: The installation failed.
    """
    missing = missing_packages(path)
    if not missing:
        return
    names = " ".join(missing)
    if not shutil.which("apt-get"):
        raise UnsupportedMachineError(
            f"The dev cluster needs these packages of Debian, and there is no apt-get to install them with: {names}."
        )
    report(f"installing packages: {names}")
    for argv in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
    ):
        done = subprocess.run(
            argv,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise ClusterError(f"`{' '.join(argv)}` failed: {last}")
    if missing := missing_packages(path):
        raise ClusterError(f"These packages are still missing after their installation: {' '.join(missing)}.")
