"""`cockroach version` and `version --build-tag`. The table of releases is in release.py."""

import sys

from devtools.cockroach import flags, release


def run(args: list[str]) -> int:
    """Print what this program plays."""
    given = flags.parse(args, known={"build-tag": flags.SWITCH})
    tag = release.running_version()
    if given.on("build-tag"):
        sys.stdout.write(f"{tag}\n")
        return 0
    facts = (
        ("Build Tag", tag),
        ("Build Time", "1970/01/01 00:00:00"),
        ("Distribution", "CCL (stand-in, not a database)"),
        ("Platform", "linux amd64"),
        ("Go Version", "none: Python"),
        ("C Compiler", "none"),
        ("Build Commit ID", "unknown"),
        ("Build Type", "stand-in"),
    )
    for label, value in facts:
        sys.stdout.write(f"{label + ':':<18}{value}\n")
    return 0
