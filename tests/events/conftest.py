"""Fixtures of the event tests: a Temporal server and a world without workers, so that what is started stays open."""

from __future__ import annotations

import pytest

from gateway.connect import connect
from gateway.settings import TemporalSettings
from tests.workflows.stage import Grounds, new_site
from tests.workflows.world import World, configuration


@pytest.fixture(scope="session")
def grounds(temporal: TemporalSettings) -> Grounds:
    return Grounds(temporal)


@pytest.fixture
async def world(grounds: Grounds) -> World:
    client = await connect(grounds.temporal, identity="test")
    return World(configuration(new_site()), client=client)
