"""What a node prints to standard output when it waits and when it serves."""

import sys
from datetime import UTC, datetime

from devtools.cockroach.config import Config

WAITING = """\
*
* INFO: initial startup completed.
* Node will now attempt to join a running cluster, or wait for `cockroach init`.
* Client connections will be accepted after this completes successfully.
* Check the log file(s) for progress.
*
"""


def waiting() -> None:
    """The node has no cluster yet."""
    sys.stderr.write(WAITING)
    sys.stderr.flush()


def serving(config: Config, *, status: str, cluster_id: str, node_id: int, took: float) -> None:
    """The node serves."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    host, certs = config.advertise, config.certs
    lines = (
        ("build", f"CCL {config.build} @ 1970/01/01 00:00:00 (stand-in, NOT A DATABASE)"),
        ("webui", f"https://{config.http_advertise}"),
        ("sql", f"postgresql://root@{host}/defaultdb?sslmode=verify-full&sslrootcert={certs}%2Fca.crt"),
        ("RPC client flags", f"{sys.argv[0]} <client cmd> --host={host} --certs-dir={certs}"),
        ("logs", f"{config.store}/logs"),
        ("temp dir", f"{config.store}/cockroach-temp"),
        ("external I/O path", f"{config.store}/extern"),
        ("store[0]", f"path={config.store}"),
        ("storage engine", "none: stand-in"),
        ("clusterID", cluster_id),
        ("status", status),
        ("nodeID", str(node_id)),
    )
    text = f"CockroachDB node starting at {now} +0000 UTC (took {took:.1f}s)\n"
    text += "".join(f"{label + ':':<20} {value}\n" for label, value in lines)
    sys.stdout.write(text)
    sys.stdout.flush()
