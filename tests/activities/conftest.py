"""Fixtures of the activities' tests; how the world is made stands in `world`."""

from __future__ import annotations

import pytest

from tests.activities.world import World


@pytest.fixture
def world() -> World:
    return World()
