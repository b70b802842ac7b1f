"""Fixtures of the workflow tests: one Temporal server for all, a site for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.workflows.server import running_server
from tests.workflows.stage import Grounds, Stage, staged


@pytest.fixture(scope="session")
def grounds() -> Iterator[Grounds]:
    with running_server() as address:
        yield Grounds(address)


@pytest.fixture
async def stage(grounds: Grounds) -> AsyncIterator[Stage]:
    async with staged(grounds) as stage:
        yield stage
