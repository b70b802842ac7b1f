"""`cockroach start`: checks flags, certificates and store, then runs a node until it is told to stop.

Not here: the node itself (server.py).
"""

import asyncio

from devtools.cockroach import certs, log
from devtools.cockroach.config import Config
from devtools.cockroach.failure import VerbError
from devtools.cockroach.faults import FILE, Faults
from devtools.cockroach.journal import Journal
from devtools.cockroach.metrics import Metrics
from devtools.cockroach.roster import DECOMMISSIONED, farewell
from devtools.cockroach.server import Server
from devtools.cockroach.store import Store


def run(args: list[str]) -> int:
    """Run a node in the foreground."""
    config = Config(args)
    log.info(f"this is a stand-in for cockroach {config.build}: not a database")
    certs.check_node(config.certs)
    for name in certs.unknown_files(config.certs):
        log.warning(f'bad filename {config.certs}/{name}: unknown prefix "{name.split(".")[0]}"')
    store = Store(config.store)
    store.open(binary=config.build)
    faults = Faults(config.store)
    if code := faults.now().exit_at_start:
        log.error(f"ends with code {code}, as {FILE} asks for")
        return code
    metrics = Metrics(certs_dir=config.certs, store=config.store, build=config.build)
    journal = Journal(config.store, on_sync=metrics.syncs.add)
    journal.open()
    me = journal.roster.nodes.get(store.node_id)
    if me is not None and me["membership"] == DECOMMISSIONED:
        raise VerbError(farewell(store.node_id, at=me["since"]))
    return asyncio.run(Server(config, store, journal, faults=faults, metrics=metrics).run())
