"""What `cockroach start` was told: its flags, read into one value.

Not here: the flags' syntax (flags.py), what the node does with them (server.py).
"""

import os
import socket

from devtools.cockroach import address, certs, flags, release
from devtools.cockroach.failure import BAD_FLAG, VerbError

_VALUES = (
    "certs-dir",
    "store",
    "listen-addr",
    "advertise-addr",
    "advertise-host",
    "advertise-port",
    "host",
    "port",
    "http-addr",
    "http-host",
    "http-port",
    "advertise-http-addr",
    "advertise-sql-addr",
    "sql-addr",
    "cache",
    "max-sql-memory",
    "max-offset",
    "locality",
    "attrs",
    "locality-advertise-addr",
    "cluster-name",
    "max-disk-temp-storage",
    "temp-dir",
    "external-io-dir",
    "pid-file",
    "vmodule",
    "max-go-memory",
    "listening-url-file",
    "standin-heartbeat",
)
_FLAGS: dict[str, str] = dict.fromkeys(_VALUES, flags.VALUE) | {
    "join": flags.MANY,
    "insecure": flags.SWITCH,
    "background": flags.SWITCH,
    "accept-sql-without-tls": flags.SWITCH,
}
_SHORT = {"s": "store", "j": "join", "p": "port"}


class Config:
    """One node's settings."""

    def __init__(self, args: list[str]) -> None:
        given = flags.parse(args, known=_FLAGS, short=_SHORT)
        if given.words:
            raise VerbError(f'unknown command "{given.words[0]}" for "cockroach start"')
        for name in ("insecure", "background"):
            if given.on(name):
                raise VerbError(f"the stand-in does not take --{name}", code=BAD_FLAG)
        self.build = release.running_version()
        self.certs = certs.directory(given.one("certs-dir"))
        self.store = _store_path(given.one("store") or "cockroach-data")
        listening = given.one("listen-addr") or given.one("host")
        self.host, self.port = address.split(
            listening, port=_port(given.one("port"), name="port", default=address.SQL_PORT)
        )
        told = given.one("advertise-addr") or given.one("advertise-host") or self.host or socket.gethostname()
        port = _port(given.one("advertise-port"), name="advertise-port", default=self.port)
        host, port = address.split(told, port=port)
        self.advertise = address.join(host, port=port)
        self.http_host, self.http_port = address.split(
            given.one("http-addr") or given.one("http-host"),
            port=_port(given.one("http-port"), name="http-port", default=address.HTTP_PORT),
        )
        self.http_advertise = address.join(host, port=self.http_port)
        self.heartbeat = flags.seconds(given.one("standin-heartbeat", default="1s"), flag="standin-heartbeat")
        if not self.heartbeat:
            raise VerbError('invalid argument "0" for "--standin-heartbeat" flag: try 1s', code=BAD_FLAG)
        self.locality = given.one("locality")
        self.attrs = given.one("attrs")
        self.join = [
            address.join(host, port=port)
            for host, port in (address.split(text, port=address.SQL_PORT) for text in given.many("join"))
        ]
        if not self.join:
            raise VerbError(
                "no --join flags provided to 'cockroach start'",
                hint="Consider using 'cockroach init' or 'cockroach start-single-node' instead",
            )


def _store_path(text: str) -> str:
    """The path of a store: `PATH` or `path=PATH,size=…`."""
    parts = text.split(",")
    named = [part.removeprefix("path=") for part in parts if part.startswith("path=")]
    path = named[0] if named else parts[0]
    if path.startswith("type=") or not path:
        raise VerbError(f'invalid argument "{text}" for "-s, --store" flag: the stand-in needs a path', code=BAD_FLAG)
    return os.path.abspath(path)


def _port(text: str, *, name: str, default: int) -> int:
    if not text:
        return default
    if not text.isdigit():
        raise VerbError(f'invalid argument "{text}" for "--{name}" flag: not a port', code=BAD_FLAG)
    return int(text)
