"""The database's own word on its version: the active one, what preserves the way back, and what bears on an upgrade.

Functions that ask; when to do so is `activities.upgrading`, what follows from it `domain.upgrade`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from activities.asking import Asking
from activities.drain_time import drain_seconds
from activities.upgrade_payloads import ActiveVersion
from activities.waiting import beating
from domain.errors import NotReadyError, RefusedError, TransientError
from domain.finalization import held_by
from domain.releases import is_settled

VERSION: Final = "SHOW CLUSTER SETTING version"
_SETTING: Final = "cluster.preserve_downgrade_option"
_PRESERVED: Final = f"SHOW CLUSTER SETTING {_SETTING}"
#: How the database says no to a value that is not the active version.
_CANNOT_SET = "cannot set"
_PAUSE = timedelta(seconds=5)


async def settings(asking: Asking) -> dict[str, object]:
    """Return the facts `active`, `preserved`, and `drain_seconds` where the release knows them."""
    return {
        "active": await asking.value(VERSION),
        "preserved": await asking.value(_PRESERVED),
        "drain_seconds": await drain_seconds(asking),
    }


async def preserve(asking: Asking, value: str) -> None:
    """Set what preserves the way back to the active version, or clear it ("").

    Raises:
        RefusedError: `upgrade.guard-refused`: the value is not the active version.
        NotReadyError: `upgrade.guard-not-set`: it reads otherwise afterwards.
    """
    if value and not is_settled(value):
        raise _refused(value, "found a version that is still being migrated, expected one such as 25.2")
    if await asking.value(_PRESERVED) == value:
        return
    try:
        await asking.rows(
            f"SET CLUSTER SETTING {_SETTING} = '{value}'" if value else f"RESET CLUSTER SETTING {_SETTING}"
        )
    except TransientError as error:
        if _CANNOT_SET in error.message:
            raise _refused(value, f"the database says: {error.message}") from error
        raise
    found = await asking.value(_PRESERVED)
    if found != value:
        said = f"{_SETTING}: found {found or 'nothing'} after it was set, expected {value or 'nothing'}."
        raise NotReadyError("upgrade.guard-not-set", said, retry_after=_PAUSE)


async def seen(asking: Asking, active: str, *, wanted: str) -> ActiveVersion:
    """Return the active version, with what keeps it from becoming another."""
    if active == wanted:
        return ActiveVersion(active=active)
    preserved = await asking.value(_PRESERVED)
    held = held_by(await beating(asking.members()), preserved=preserved, wanted=wanted)
    return ActiveVersion(active=active, preserved=preserved, holds="; ".join(held))


def _refused(value: str, why: str) -> RefusedError:
    return RefusedError(
        "upgrade.guard-refused",
        f"{_SETTING} is not set to {value}: {why}.",
        hint="Nothing was changed. It can only be the active version: SHOW CLUSTER SETTING version.",
    )
