"""Command line: `python -m devtools.images build [agent|database]` prints one line an image: name, digest, archive.

Exit codes: 0 built or already there, 1 failed, 2 bad input or unsupported machine. The recipes are in recipes.py.
"""

import argparse
import sys

from devtools.images.cache import BuildError, UnsupportedError
from devtools.images.recipes import Image, agent_image, database_image


def main() -> int:
    """Build what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m devtools.images", description="Build the container images.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="build what is not in the cache yet")
    build.add_argument("which", nargs="?", choices=("agent", "database"), help="both when left out")
    build.add_argument("--version", default="v25.2.3", help="release that the stand-in plays, for example v25.2.3")
    given = parser.parse_args()
    try:
        built: list[Image] = []
        if given.which in (None, "agent"):
            built.append(agent_image())
        if given.which in (None, "database"):
            built.append(database_image(given.version))
    except UnsupportedError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for image in built:
        sys.stdout.write(f"{image.ref} {image.digest} {image.archive}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
