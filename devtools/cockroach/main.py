"""Entry point: picks the verb, prints its failure the vendor's way, returns the exit code.

Each verb is a module with `run(args)`, imported only when asked for, because start-up time counts.
"""

import os
import sys

from devtools.cockroach import failure

_HELP = """\
Stand-in for the cockroach program. NOT A DATABASE: it keeps the documented behavior of the command line,
the health endpoints and the cluster membership, and the few rows that a short list of statements makes.

Usage:
  cockroach [command]

Available commands:
  start         start a node in a multi-node cluster
  init          initialize a cluster
  node ls       lists the IDs of all nodes in the cluster
  node status   shows the status of a node or all nodes
  node decommission, node recommission, node drain
                let nodes leave, keep them, take their work from them
  sql           run statements (a short fixed list; anything else is a syntax error)
  version       output version information
"""


def main(args: list[str]) -> int:
    """Run one verb and return its exit code."""
    if not args or args[0] in ("help", "--help", "-h"):
        sys.stdout.write(_HELP)
        return failure.OK
    verb, rest = args[0], args[1:]
    name = verb
    if verb == "node" and rest and not rest[0].startswith("-"):
        name = f"node {rest[0]}"
    try:
        if "--help" in rest or "-h" in rest:
            sys.stdout.write(_HELP)
            return failure.OK
        return _run(verb, rest)
    except failure.VerbError as error:
        sys.stdout.flush()
        sys.stderr.write(f'{error.text()}\nFailed running "{name}"\n')
        return error.code
    except KeyboardInterrupt:
        return failure.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return failure.UNSPECIFIED


def _run(verb: str, args: list[str]) -> int:
    if verb == "start":
        from devtools.cockroach import start

        return start.run(args)
    if verb == "init":
        from devtools.cockroach import init

        return init.run(args)
    if verb == "node":
        from devtools.cockroach import node

        return node.run(args)
    if verb == "sql":
        from devtools.cockroach import sql

        return sql.run(args)
    if verb == "version":
        from devtools.cockroach import version

        return version.run(args)
    raise failure.VerbError(f'unknown command "{verb}" for "cockroach"')
