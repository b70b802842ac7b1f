"""Addresses: `host`, `host:port`, `:port` and IPv6 in brackets, with the vendor's default ports.

Not here: listening (listener.py) or dialing (client.py, peers.py).
"""

SQL_PORT = 26257
HTTP_PORT = 8080


def split(text: str, *, port: int) -> tuple[str, int]:
    """Split an address into host and port, with a default for the port."""
    host, colon, tail = text.rpartition(":")
    if not colon or (tail and not tail.isdigit()) or (":" in host and not host.endswith("]")):
        return text.strip("[]"), port
    return host.strip("[]"), int(tail) if tail else port


def join(host: str, *, port: int) -> str:
    """The address as people read it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
