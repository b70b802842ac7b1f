"""Frames of the stand-in's own RPC: a four-byte length, then one JSON object.

A request is {"method": …, "params": {…}}; an answer is {"ok": …} or {"error": {…}}. It plays the part of the vendor's
gRPC and SQL connections, always inside mutual TLS. Not here: sockets (client.py, peers.py, rpc.py).
"""

import json
import struct
from typing import Any

from devtools.cockroach.failure import RemoteError

LIMIT = 4 * 1024 * 1024
HEADER = struct.Struct(">I")

BOOTSTRAP = "/cockroach.server.serverpb.Init/Bootstrap"
HEALTH = "/cockroach.server.serverpb.Admin/Health"
NODES = "/cockroach.server.serverpb.Status/Nodes"
EXECUTE = "/cockroach.server.serverpb.SQL/Execute"
DECOMMISSION = "/cockroach.server.serverpb.Admin/Decommission"
DECOMMISSION_STATUS = "/cockroach.server.serverpb.Admin/DecommissionStatus"
DECOMMISSION_CHECK = "/cockroach.server.serverpb.Admin/DecommissionPreCheck"
DRAIN = "/cockroach.server.serverpb.Admin/Drain"
GOSSIP = "/cockroach.gossip.Gossip/Gossip"
JOIN = "/cockroach.roachpb.Internal/Join"
CLAIM = "/standin.Journal/Claim"
ENTRIES = "/standin.Journal/Entries"
APPEND = "/standin.Journal/Append"
COMMAND = "/standin.Journal/Command"
#: What nodes say to each other, and nobody else to them.
BETWEEN_NODES = frozenset({GOSSIP, JOIN, CLAIM, ENTRIES, APPEND, COMMAND})


def pack(message: dict[str, Any]) -> bytes:
    """One frame."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return HEADER.pack(len(body)) + body


def size_of(header: bytes) -> int:
    """The length a header announces; ValueError when it cannot be ours."""
    size: int = HEADER.unpack(header)[0]
    if size > LIMIT:
        raise ValueError(f"frame of {size} bytes, at most {LIMIT} expected")
    return size


def unpack(body: bytes) -> dict[str, Any]:
    """The object in a frame's body."""
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("frame is not a JSON object")
    return message


def result_of(answer: dict[str, Any]) -> Any:
    """What an answer carries, or the error it carries, raised."""
    if "error" in answer:
        raise RemoteError.from_wire(answer["error"])
    return answer.get("ok")
