from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from urllib.parse import urlencode

import pytest

from domain.errors import TransientError
from tests.bot import given
from tests.bot.harness import SECRET, Stage


def signed(body: str, *, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    at = str(int(time.time()) - age)
    digest = hmac.new(secret.encode(), f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": f"v0={digest}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def command(text: str, **more: str) -> str:
    return urlencode(
        {
            "command": "/crdb",
            "text": text,
            "team_id": "T0CRDB",
            "user_id": "U0ERIN",
            "channel_id": "C0OPS",
            "trigger_id": "1.2.abc",
            "api_app_id": "A0CRDB",
            **more,
        }
    )


async def post(on: Stage, body: str, headers: dict[str, str]) -> tuple[int, str]:
    async with on.session.post(f"{on.bot_url}/slack/events", data=body, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_a_signed_command_is_taken(on: Stage) -> None:
    body = command("help")

    assert await post(on, body, signed(body)) == (200, "")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(lambda body: signed(body, secret="another"), id="wrong secret"),
        pytest.param(lambda body: signed(body, age=600), id="ten minutes old"),
        pytest.param(lambda body: signed(body + "x"), id="another body"),
        pytest.param(lambda _: {"Content-Type": "application/x-www-form-urlencoded"}, id="unsigned"),
    ],
)
async def test_what_slack_did_not_sign_now_is_refused(on: Stage, headers: object) -> None:
    body = command("deploy")

    status, _ = await post(on, body, headers(body))  # type: ignore[operator]

    assert status == 401
    assert on.gateway.started == []


async def test_an_unsigned_ssl_check_goes_nowhere(on: Stage) -> None:
    body = command("deploy", ssl_check="1")

    status, text = await post(on, body, {"Content-Type": "application/x-www-form-urlencoded"})

    assert (status, text) == (200, "")
    assert on.gateway.started == []


async def test_the_same_command_delivered_twice_starts_once(on: Stage) -> None:
    body = command("deploy")

    await post(on, body, signed(body))
    await post(on, body, signed(body))

    await on.bot.tasks.drain(seconds=5)
    assert len(on.gateway.started) == 1
    assert len([text for text in await on.whispers("erin") if "has started" in text]) == 1


async def test_a_command_from_another_workspace_is_refused_in_the_answer(on: Stage) -> None:
    body = command("deploy", team_id="T0OTHER")

    status, text = await post(on, body, signed(body))

    assert status == 200
    assert "You are not a member of this workspace" in text
    assert on.gateway.started == []


async def test_an_org_wide_install_is_refused(on: Stage) -> None:
    body = command("deploy", is_enterprise_install="true")

    status, text = await post(on, body, signed(body))

    assert (status, on.gateway.started) == (200, [])
    assert "Refused" in text


async def test_a_submitted_modal_of_a_stranger_is_answered_in_the_modal(on: Stage) -> None:
    payload = {
        "type": "view_submission",
        "team": {"id": "T0CRDB"},
        "user": {"id": "U0SAM", "team_id": "T0OTHER"},
        "view": {"type": "modal", "callback_id": "deny_reason", "private_metadata": "{}", "state": {"values": {}}},
    }
    body = urlencode({"payload": json.dumps(payload)})

    status, text = await post(on, body, signed(body))

    assert status == 200
    assert json.loads(text)["response_action"] == "update"


async def test_health_is_of_the_process_and_readiness_of_what_it_needs(on: Stage) -> None:
    async with on.session.get(f"{on.bot_url}/readyz") as answer:
        assert answer.status == 200
        said = await answer.json()
    assert (said["transport"], said["temporal"], said["slack"]["ok"]) == ("http", {"ok": True}, True)
    on.gateway.away = TransientError("temporal.unreachable", "x")
    async with on.session.get(f"{on.bot_url}/readyz") as answer:
        assert answer.status == 503
        assert "Temporal" in (await answer.json())["missing"]
    async with on.session.get(f"{on.bot_url}/healthz") as answer:
        assert answer.status == 200


async def test_no_request_body_and_no_token_reaches_the_log(on: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="bot")
    body = command(f'deny {given.APPROVAL_ID} "a secret reason"', user_id="U0ADA")

    await post(on, body, signed(body))
    await on.whispered("ada", "Recorded.")

    own = [record for record in caplog.records if record.name.startswith("bot")]
    written = " ".join(str(record.__dict__) for record in own)
    assert any(record.getMessage() == "decision sent" for record in own)
    assert "a secret reason" not in written
    assert "xoxb" not in written
    assert "signature" not in written


async def test_a_refused_click_leaves_a_line_in_the_log(on: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot")
    card = await on.post_card()

    await on.click("erin", card, "approve")
    await on.whispered("erin", "You asked for it")

    line = next(record for record in caplog.records if record.getMessage() == "click refused")
    assert (line.__dict__["person"], line.__dict__["error_code"]) == ("U0ERIN", "approval.four-eyes")
