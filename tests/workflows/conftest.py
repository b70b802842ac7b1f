"""Fixtures of the workflow tests: one Temporal server for all, a site for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.settings import TemporalSettings
from tests.workflows.stage import Grounds, Stage, staged


@pytest.fixture(scope="session")
def grounds(temporal: TemporalSettings) -> Grounds:
    return Grounds(temporal)


@pytest.fixture
async def stage(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with staged(grounds) as stage:
        yield stage
