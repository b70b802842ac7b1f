"""What a button carries, read back: which run, which approval, and on which message it stood.

A button's value is workflow id, run id and approval id, or the number that it offers, nothing more; what is decided is
`bot.decisions`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import InvalidRequestError
from domain.model import ClusterRef


class ButtonValue(BaseModel):
    """The value of each of our buttons."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workflow_id: str
    run_id: str
    approval_id: str = ""
    nodes: int | None = None

    @property
    def is_certify(self) -> bool:
        """Whether it names the life of a CSR; else it names a change."""
        return "/csr/" in self.workflow_id

    @property
    def is_gate(self) -> bool:
        """Whether it names a question of a change."""
        return not self.is_certify and self.approval_id not in ("", self.run_id)

    @property
    def is_observation(self) -> bool:
        """Whether it names an upgrade that is not final."""
        return self.workflow_id.endswith("/observe")

    @property
    def ref(self) -> ClusterRef:
        """The cluster that the workflow id of a change, or of what observes its upgrade, names.

        Raises:
            InvalidRequestError: `click.unreadable`.
        """
        parts = self.workflow_id.split("/")
        try:
            site, namespace, cluster = parts[1:4]
            return ClusterRef(site=site, namespace=namespace, cluster=cluster)
        except ValueError:
            raise _unreadable() from None


class Click(BaseModel):
    """A button, and the message it stood on; also what a modal that follows carries on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: ButtonValue
    channel: str = ""
    ts: str = ""
    thread_ts: str = ""
    stamp: str = ""

    def private(self) -> str:
        """Return what a modal keeps until it is submitted."""
        return self.model_dump_json()


def click_of(body: Mapping[str, Any]) -> Click:
    """Read a click on one of our buttons.

    Raises:
        InvalidRequestError: `click.unreadable`: a button of an older release, or none of ours.
    """
    container = body.get("container") or {}
    actions = body.get("actions") or [{}]
    try:
        value = ButtonValue.model_validate(json.loads(str(actions[0].get("value") or "")))
    except (ValueError, ValidationError):
        raise _unreadable() from None
    return Click(
        value=value,
        channel=str(container.get("channel_id") or ""),
        ts=str(container.get("message_ts") or ""),
        thread_ts=str(container.get("thread_ts") or ""),
        stamp=str(actions[0].get("action_ts") or ""),
    )


def click_of_private(private: str) -> Click:
    """Read what a modal kept.

    Raises:
        InvalidRequestError: `click.unreadable`.
    """
    try:
        return Click.model_validate_json(private)
    except ValidationError:
        raise _unreadable() from None


def _unreadable() -> InvalidRequestError:
    return InvalidRequestError(
        "click.unreadable", "This button is of an older release.", hint="Use the newest card, or ask again."
    )
