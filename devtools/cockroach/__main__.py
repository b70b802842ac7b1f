"""Run the stand-in from the tree: `python -m devtools.cockroach node status …`.

Inside an image the same `main()` is started by the executable /cockroach/cockroach instead.
"""

import sys

from devtools.cockroach.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
