"""How long certagent waits: between tries, between log lines, for one answer; such numbers stand nowhere else."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """All spans in seconds."""

    heartbeat: float = 60  # a log line that names what is waited for; also the server-side time-out of a watch
    reread_after: float = 180  # a watch that silently delivers nothing is found out by reading the CSR again
    file_poll: float = 2  # of the ask-again file; the kubelet itself refreshes it about once a minute
    request_timeout: float = 20
    watch_grace: float = 15  # beyond the server-side time-out: a connection whose other end is gone
    retry_delays: tuple[float, ...] = (1, 2, 4, 8)  # five tries; then the kubelet's back-off goes on
    longest_retry_after: float = 60  # a server may ask for hours; the kubelet's back-off ends at 5 min
    shortest_watch: float = 1  # between watches that the server closes at once, and between CSRs that vanish
    longest_pause: float = 60
