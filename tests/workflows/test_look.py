"""`Look`: one short reading, lock-free, refused nowhere and never in a change's way."""

from __future__ import annotations

import operations.csr
import operations.status
from operations.csr import CsrResult
from operations.status import StatusResult
from tests.workflows.stage import Stage


async def test_status_is_read_and_typed(stage: Stage) -> None:
    result = await stage.gateway.look(operations.status.OPERATION, stage.world.ref, request_id="l1")

    assert isinstance(result, StatusResult)
    assert (result.ref, result.is_deployed) == (stage.world.ref, False)


async def test_csr_is_read_and_typed(stage: Stage) -> None:
    result = await stage.gateway.look(operations.csr.OPERATION, stage.world.ref, request_id="l2")

    assert isinstance(result, CsrResult)


async def test_a_look_needs_no_lock(stage: Stage) -> None:
    handle = await stage.deploy()

    result = await stage.gateway.look(operations.status.OPERATION, stage.world.ref, request_id="l3")

    assert isinstance(result, StatusResult)
    await handle.terminate()


async def test_a_reading_that_fails_once_is_tried_again(stage: Stage) -> None:
    stage.world.errors = {"look.status": [ConnectionError("reset by peer")]}

    result = await stage.gateway.look(operations.status.OPERATION, stage.world.ref, request_id="l4")

    assert isinstance(result, StatusResult)
