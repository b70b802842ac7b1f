"""Who may start a change: the start token, the request it was for, the role, the place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from activities.authorization import AuthorizationActivities
from activities.payloads import AuthorizeRequest
from domain.errors import InvalidRequestError, OpsError, RefusedError
from domain.model import Person
from operations.queues import change_id
from tests.activities.world import EVE, NOW, REQUESTER, World, run


def asked(
    world: World, *, person: Person = REQUESTER, token: dict[str, Any] | None = None, **changes: Any
) -> AuthorizeRequest:
    fields: dict[str, Any] = {
        "workflow_id": change_id(world.ref),
        "now": NOW,
        "request_id": "r-1",
        "request_hash": "hash",
        **(token or {}),
    }
    request = AuthorizeRequest(
        operation="deploy",
        ref=world.ref,
        request_hash="hash",
        request_id="r-1",
        token=world.signer.issue(fields.pop("verb", "start"), person, **fields),
        workflow_id=change_id(world.ref),
        is_first_run=True,
        started_at=NOW + timedelta(seconds=3),
    )
    return request.model_copy(update=changes)


async def authorized(world: World, request: AuthorizeRequest) -> Any:
    return await run(AuthorizationActivities(world.configuration, world.ring).authorize, request)


async def test_an_operator_may_start_and_the_snapshot_is_taken(world: World) -> None:
    found = await authorized(world, asked(world))

    assert found.requester == REQUESTER
    assert found.channel == "C1"
    assert found.policy.configuration_hash == world.configuration.fingerprint()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"person": EVE}, "operation.not-allowed", id="no role"),
        pytest.param({"person": REQUESTER.model_copy(update={"team": "T2"})}, "operation.not-allowed", id="stranger"),
        pytest.param({"request_hash": "other"}, "token.other-run", id="another request"),
        pytest.param({"request_id": "r-2"}, "token.other-run", id="another request id"),
        pytest.param({"token": {"workflow_id": "crdb/here/x/y/change"}}, "token.other-run", id="another cluster"),
        pytest.param({"started_at": NOW + timedelta(minutes=4)}, "token.expired", id="started too late"),
        pytest.param({"is_first_run": False}, "token.other-run", id="a reset run"),
        pytest.param(
            {"token": {"verb": "cancel", "run_id": "x", "request_id": None, "request_hash": None}},
            "token.other-run",
            id="another verb",
        ),
    ],
)
async def test_a_start_that_does_not_fit_is_refused(world: World, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await authorized(world, asked(world, **changes))

    assert refused.value.code == code


async def test_a_role_of_the_file_stands_above_the_operations_own(world: World) -> None:
    rules = {"deploy": {"ask": "approver"}}
    world.configuration = type(world.configuration).model_validate(
        {**world.configuration.model_dump(), "operations": rules}
    )

    with pytest.raises(RefusedError) as refused:
        await authorized(world, asked(world))

    assert "is no approver" in refused.value.message


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"operation": "explode"}, "operation.unknown", id="operation"),
        pytest.param({"ref": World().ref.model_copy(update={"cluster": "nope"})}, "cluster.unknown", id="cluster"),
        pytest.param(
            {"ref": World().ref.model_copy(update={"namespace": "kube-system"})}, "cluster.unknown", id="place"
        ),
    ],
)
async def test_what_cannot_be_right_is_said(world: World, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await authorized(world, asked(world, **changes))

    error: OpsError = refused.value
    assert error.code == code
