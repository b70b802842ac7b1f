"""What this machine can run, said in one sentence: the local Kubernetes needs Linux on x86-64 and root.

Used by `make test`, so that what is left out is said loudly, and by the demo, so that it stops with a reason.
"""

from __future__ import annotations

import os
import platform
import sys


def why_no_cluster() -> str:
    """Return why the local Kubernetes cannot run here; empty when it can."""
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ("x86_64", "AMD64"):
        return f"found {system} on {machine}, expected Linux on x86-64: the local Kubernetes cannot run here"
    if os.geteuid() != 0:
        return f"found user id {os.geteuid()}, expected root: the local Kubernetes makes namespaces and mounts"
    return ""


def main() -> int:
    """Return 0 when the local Kubernetes can run here; else say loudly what is left out and return 1."""
    why = why_no_cluster()
    if why:
        print(f"NOTE: {why}.\nNOTE: all tests marked `cluster` are LEFT OUT; the others run.", file=sys.stderr)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
