"""`Strangers`: CSRs that ask one of our signers but come from no cluster of ours; told in one digest a minute."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

#: So many are named; the rest are counted.
EXAMPLES = 5


class StrangersStart(BaseModel):
    """Where the digest is told; without a channel it is only recorded."""

    model_config = ConfigDict(frozen=True)

    site: str
    channel: str = ""


class StrangersSeen(BaseModel):
    """Signal: how many a worker saw at once, and a few by name and requester. All workers of a site see the same."""

    model_config = ConfigDict(frozen=True)

    count: int
    examples: tuple[str, ...] = ()
    worker: str = Field(default="", description="whose count it is, so that two workers do not count one twice")


class StrangersResult(BaseModel):
    """The digest."""

    model_config = ConfigDict(frozen=True)

    count: int
    examples: tuple[str, ...]
