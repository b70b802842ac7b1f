"""The page /_status/vars: counts and timings of one node in Prometheus' text form, computed at every scrape.

From v22.2 on every sample has the label node_id, those of SQL the label tenant, as newer versions have them. Not here:
HTTP (health.py); where liveness and ranges come from (gossip.py, status.py).
"""

import contextlib
import os
import resource
import ssl
import time
from collections.abc import Iterator

from devtools.cockroach import certs, release
from devtools.cockroach.failure import VerbError

_BOUNDS_SECONDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
_NANOS = 1e9
_CERTIFICATES = {
    "ca": "ca.crt", "client_ca": "ca-client.crt", "node": "node.crt", "node_client": "client.node.crt",
    "ui": "ui.crt", "ui_ca": "ca-ui.crt",
}  # fmt: skip
SQL, STORE, NODE = "sql", "store", "node"


class Histogram:
    """How often something took how long."""

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS_SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        at = next((at for at, bound in enumerate(_BOUNDS_SECONDS) if seconds <= bound), len(_BOUNDS_SECONDS))
        self.counts[at] += 1
        self.total += seconds

    def samples(self, name: str, labels: str) -> Iterator[str]:
        """The lines of this histogram, in nanoseconds."""
        passed, comma = 0, "," if labels else ""
        for bound, count in zip((*_BOUNDS_SECONDS, None), self.counts, strict=True):
            passed += count
            limit = "+Inf" if bound is None else f"{bound * _NANOS:g}"
            yield f'{name}_bucket{{{labels}{comma}le="{limit}"}} {passed}'
        braces = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{braces} {self.total * _NANOS:.0f}"
        yield f"{name}_count{braces} {passed}"


class Metrics:
    """What a node counts while it runs."""

    def __init__(self, *, certs_dir: str, store: str, build: str) -> None:
        self.statements = Histogram()
        self.round_trips = Histogram()
        self.syncs = Histogram()
        self.applied = Histogram()
        self._open = 0
        self._begun = 0
        self._born = time.monotonic()
        self._store = store
        self._build = build
        self._certs_dir = certs_dir
        self._expirations: dict[str, float] = {}
        self.read_certificates()

    def read_certificates(self) -> None:
        """Note when the certificates in use end; 0 for those that are not there."""
        for name, file in _CERTIFICATES.items():
            path = os.path.join(self._certs_dir, file)
            self._expirations[name] = 0.0
            if os.path.isfile(path):
                with contextlib.suppress(VerbError, ValueError, KeyError):
                    self._expirations[name] = ssl.cert_time_to_seconds(certs.read_names(path)["notAfter"])

    @contextlib.contextmanager
    def statement(self) -> Iterator[None]:
        """Count a statement while it runs."""
        self._open += 1
        self._begun += 1
        began = time.perf_counter()
        try:
            yield
        finally:
            self._open -= 1
            self.statements.add(time.perf_counter() - began)

    def expiration(self, name: str) -> str | None:
        """A certificate's end by the metric's name with dots, printed as the vendor prints floats; else None."""
        at = self._expirations.get(name.removeprefix("security.certificate.expiration.").replace("-", "_"))
        if at is None or not name.startswith("security.certificate.expiration."):
            return None
        digits = str(int(at)).rstrip("0") or "0"
        return "0" if digits == "0" else f"{digits[0]}.{digits[1:] or '0'}e+{len(str(int(at))) - 1:02d}"

    def page(self, *, node_id: int, live_nodes: int, ranges: dict[str, int], clock_offset: float) -> str:
        """The whole page.

        Args:
            node_id: this node; 0 before it has a cluster.
            live_nodes: how many nodes this one believes to live.
            ranges: counts of ranges by the metric's name.
            clock_offset: seconds by which the others' clocks are ahead.
        """
        page = _Page(node_id, is_new=release.position(release.series_of(self._build)) >= release.position("22.2"))
        page.gauge("sys_uptime", int(time.monotonic() - self._born))
        page.gauge("build_timestamp", 1, more=f'tag="{self._build}",go_version="none: stand-in"')
        page.gauge("liveness_livenodes", live_nodes)
        page.gauge("clock_offset_meannanos", int(clock_offset * _NANOS))
        disk = os.statvfs(self._store)
        page.gauge("capacity", disk.f_blocks * disk.f_frsize, of=STORE)
        page.gauge("capacity_available", disk.f_bavail * disk.f_frsize, of=STORE)
        for name, value in ranges.items():
            page.gauge(name, value, of=STORE)
        for name in ("latch", "lease", "raft"):
            page.gauge(f"requests_slow_{name}", 0, of=STORE)
        page.gauge("sql_conns", self._open, of=SQL)
        page.gauge("sql_query_count", self._begun, of=SQL, kind="counter")
        page.gauge("sys_fd_open", len(os.listdir("/proc/self/fd")))
        page.gauge("sys_fd_softlimit", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        for name, at in self._expirations.items():
            page.gauge(f"security_certificate_expiration_{name}", int(at))
        for name in ("txn_durations", "exec_latency", "sql_exec_latency"):
            page.histogram(name, self.statements, of=STORE if name == "exec_latency" else SQL)
        page.histogram("round_trip_latency", self.round_trips)
        page.histogram("raft_process_logcommit_latency", self.syncs, of=STORE)
        page.histogram("raft_process_commandcommit_latency", self.applied, of=STORE)
        return page.text()


class _Page:
    def __init__(self, node_id: int, *, is_new: bool) -> None:
        self._node_id = node_id
        self._is_new = is_new
        self._lines: list[str] = []

    def _labels(self, of: str, more: str = "") -> str:
        labels = [f'store="{self._node_id}"'] if of == STORE else []
        if self._is_new and self._node_id:
            labels += [f'node_id="{self._node_id}"'] + (['tenant="system"'] if of == SQL else [])
        return ",".join([*labels, *([more] if more else [])])

    def gauge(self, name: str, value: int, *, of: str = NODE, kind: str = "gauge", more: str = "") -> None:
        labels = self._labels(of, more)
        self._head(name, kind)
        self._lines.append(f"{name}{{{labels}}} {value}" if labels else f"{name} {value}")

    def histogram(self, name: str, counted: Histogram, *, of: str = NODE) -> None:
        self._head(name, "histogram")
        self._lines += counted.samples(name, self._labels(of))

    def _head(self, name: str, kind: str) -> None:
        self._lines += [f"# HELP {name} {name.replace('_', ' ')} of the stand-in", f"# TYPE {name} {kind}"]

    def text(self) -> str:
        return "\n".join([*self._lines, ""])
