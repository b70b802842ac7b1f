"""An upgrade that is not final, as its card shows it. No command: `Observe` begins where a major upgrade ends.

What is seen is `domain.observation`; how the card looks is `bot.cards.observation`. Its two buttons start the changes
`finalize` and `rollback` as the typed commands do.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.model import ClusterRef
from domain.observation import Observation

#: observed: it has time. due: that is over, people are reminded. The others are its end.
ObserveState = Literal["observed", "due", "final", "rolled-back", "gone", "stopped"]


class ObserveStatus(BaseModel):
    """All that the card shows; the answer of the `status` query."""

    model_config = ConfigDict(frozen=True)

    ref: ClusterRef
    workflow_id: str
    run_id: str
    sequence: int = 0
    state: ObserveState = "observed"
    version: str = Field(description="the release that was upgraded to")
    before: str = Field(description="the release that a roll back leads to")
    since: datetime
    until: datetime = Field(description="from when people are reminded")
    seen: Observation = Observation()
    noticed_at: datetime | None = Field(default=None, description="since when the notices are as they are")
    reminded: tuple[str, ...] = Field(default=(), description="ids of the groups and people who were reminded")
    reminded_at: datetime | None = None
    sentence: str = Field(default="", description="how it ended, in words without a full stop")

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to decide."""
        return self.state not in ("observed", "due")
