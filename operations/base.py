"""The shape of a catalogue entry, and of what starts a change.

An entry says what can be asked for; the bot's parsing, help and role check, the CLI and the reference page all come
from it. How it is done is the workflow of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.canonical import canonical_hash
from domain.configuration import RoleName
from domain.model import ClusterRef
from operations.messages import Token


class Request(BaseModel):
    """What a person asks for. Field descriptions are the help text, the modal's labels and the reference page."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClusterRequest(Request):
    """A request about one cluster."""

    ref: ClusterRef = Field(description="which cluster; the channel's own when left out")


class Start(BaseModel):
    """The argument of every change's workflow: the request and the signed proof of who asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: str
    token: Token


class LookStart(BaseModel):
    """The argument of the workflow `Look`: which operation, about which cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str
    ref: ClusterRef


@dataclass(frozen=True)
class Operation:
    """One entry of the catalogue.

    Attributes:
        name: The word a person types; also the name of its modules, in kebab case.
        summary: One line of help.
        example: A line that works as it stands.
        kind: `change` takes the cluster's lock, `look` never does, `decision` answers something that waits, `talk`
            is answered by the bot alone.
        role: Who may ask by default; `crdbops.toml` may say otherwise.
        workflow: Workflow type; empty for what starts none.
        request: Model of what can be asked for.
        beside: Name of the entry before it on whose line help shows it; else it has a line of its own.
        may_pause: Whether it can be paused while it runs.
    """

    name: str
    summary: str
    example: str
    kind: Literal["change", "look", "decision", "talk"]
    role: RoleName
    request: type[Request]
    workflow: str = ""
    beside: str = ""
    may_pause: bool = False


def request_hash(operation: str, request: Request) -> str:
    """Return the hash that a start token names: of the operation and everything asked for."""
    return canonical_hash({"operation": operation, "request": request.model_dump(mode="json")})
