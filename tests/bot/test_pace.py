"""How often messages are redrawn: per message, in all, and when Slack asks for patience."""

from __future__ import annotations

import pytest

from bot.pace import MESSAGE_SECONDS, PER_MINUTE, RESERVED, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock=clock)


def test_the_numbers_are_those_of_the_design() -> None:
    assert (MESSAGE_SECONDS, PER_MINUTE) == (3.0, 40)


def test_a_message_is_redrawn_once_in_three_seconds(pace: Pace, clock: Clock) -> None:
    drawn_at = pace.count()
    clock.now += 1

    assert pace.wait(drawn_at=drawn_at, is_new_state=False) == 2.0


def test_a_message_never_drawn_waits_for_nothing(pace: Pace) -> None:
    assert pace.wait(drawn_at=None, is_new_state=False) == 0.0


def test_a_change_of_state_does_not_wait_for_the_three_seconds(pace: Pace) -> None:
    assert pace.wait(drawn_at=pace.count(), is_new_state=True) == 0.0


def test_progress_leaves_room_in_the_minute_for_changes_of_state(pace: Pace, clock: Clock) -> None:
    first = min([pace.count() for _ in range(PER_MINUTE - RESERVED)])
    clock.now += 20

    assert pace.wait(drawn_at=None, is_new_state=False) == first + 60 - clock.now
    assert pace.wait(drawn_at=None, is_new_state=True) == 0.0


def test_no_more_than_forty_a_minute_whatever_they_say(pace: Pace, clock: Clock) -> None:
    for _ in range(PER_MINUTE):
        pace.count()

    assert pace.wait(drawn_at=None, is_new_state=True) == 60.0
    clock.now += 60
    assert pace.wait(drawn_at=None, is_new_state=True) == 0.0


def test_everybody_waits_as_long_as_slack_asks(pace: Pace, clock: Clock) -> None:
    pace.hold("chat.update", seconds=17)
    clock.now += 7

    assert pace.wait(drawn_at=None, is_new_state=True) == 10.0
    assert pace.held("chat.postMessage") == 0.0


def test_a_shorter_request_for_patience_does_not_end_a_longer_one(pace: Pace) -> None:
    pace.hold("chat.update", seconds=17)
    pace.hold("chat.update", seconds=1)

    assert pace.held("chat.update") == 17.0
