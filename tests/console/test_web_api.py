"""The Web API as the real Slack client calls it: what works, and every refusal in Slack's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from devtools.console import Console
from devtools.console.faults import Fault
from devtools.console.manifest import DEFAULT_PATH
from tests.console.cards import button, section
from tests.console.visitor import Visitor


async def refusal(client: AsyncWebClient, method: str, **arguments: Any) -> dict[str, Any]:
    with pytest.raises(SlackApiError) as caught:
        await client.api_call(method, json=arguments)
    data: dict[str, Any] = caught.value.response.data
    return data


async def test_tells_the_bot_who_it_is(client: AsyncWebClient) -> None:
    answer = await client.auth_test()

    assert (answer["team_id"], answer["user_id"], answer["bot_id"]) == ("T0CRDB", "U0BOT", "B0BOT")


async def test_refuses_a_call_without_a_token(console: Console) -> None:
    answer = await refusal(AsyncWebClient(base_url=console.api_url), "auth.test")

    assert answer["error"] == "not_authed"


async def test_refuses_a_wrong_token(console: Console) -> None:
    answer = await refusal(AsyncWebClient(token="xoxb-other", base_url=console.api_url), "auth.test")

    assert answer["error"] == "invalid_auth"


async def test_refuses_an_unknown_method(client: AsyncWebClient) -> None:
    assert (await refusal(client, "chat.shout"))["error"] == "unknown_method"


async def test_refuses_an_unknown_argument(client: AsyncWebClient) -> None:
    answer = await refusal(client, "chat.postMessage", channel="C0OPS", text="t", colour="red")

    assert answer["error"] == "invalid_arguments"
    assert "/colour" in answer["response_metadata"]["messages"][0]


async def test_refuses_a_method_whose_scope_the_manifest_lacks(tmp_path: Path) -> None:
    manifest = json.loads(DEFAULT_PATH.read_text())
    manifest["oauth_config"]["scopes"]["bot"].remove("usergroups:read")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    async with Console(manifest=tmp_path / "manifest.json") as console:
        client = AsyncWebClient(token=console.bot_token, base_url=console.api_url)
        answer = await refusal(client, "usergroups.users.list", usergroup="S0APPROVERS")

    assert (answer["error"], answer["needed"]) == ("missing_scope", "usergroups:read")
    assert "chat:write" in answer["provided"]


async def test_history_of_a_direct_message_needs_a_scope_of_its_own(client: AsyncWebClient) -> None:
    answer = await refusal(client, "conversations.history", channel="D0ERIN")

    assert answer["needed"] == "im:history"


async def test_bad_blocks_are_refused_in_slacks_shape(client: AsyncWebClient) -> None:
    answer = await refusal(client, "chat.postMessage", channel="C0OPS", text="t", blocks=[section("t" * 3001)])

    assert answer["error"] == "invalid_blocks"
    assert answer["errors"] == ["must be less than 3001 characters [json-pointer:/blocks/0/text/text]"]
    assert answer["response_metadata"]["messages"] == [f"[ERROR] {answer['errors'][0]}"]


async def test_too_many_characters_have_an_error_of_their_own(client: AsyncWebClient) -> None:
    answer = await refusal(client, "chat.postMessage", channel="C0OPS", text="t", blocks=[section("t" * 2900)] * 5)

    assert answer["error"] == "msg_blocks_too_long"


async def test_a_message_without_text_is_sent_with_a_warning(client: AsyncWebClient) -> None:
    answer = await client.api_call("chat.postMessage", json={"channel": "C0OPS", "blocks": [section("t")]})

    assert answer["warning"] == "missing_text_in_message"


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        pytest.param("C0NONE", "channel_not_found", id="no such channel"),
        pytest.param("C0HID", "channel_not_found", id="private without the bot"),
        pytest.param("C0GEN", "not_in_channel", id="public without the bot"),
        pytest.param("C0OLD", "is_archived", id="archived"),
    ],
)
async def test_refuses_to_post_where_the_bot_cannot(client: AsyncWebClient, channel: str, error: str) -> None:
    assert (await refusal(client, "chat.postMessage", channel=channel, text="t"))["error"] == error


async def test_blocks_in_a_form_are_read_as_json(client: AsyncWebClient) -> None:
    data = {"channel": "C0OPS", "text": "t", "blocks": json.dumps([section("from a form")])}

    answer = await client.api_call("chat.postMessage", data=data)

    assert answer["message"]["blocks"][0]["text"]["text"] == "from a form"


async def test_update_changes_a_message_and_marks_it(client: AsyncWebClient, erin: Visitor) -> None:
    ts = (await client.chat_postMessage(channel="C0OPS", text="before"))["ts"]

    await client.chat_update(channel="C0OPS", ts=ts, text="after")

    (message,) = await erin.messages()
    assert message["text"] == "after"
    assert message["edited_ts"]


async def test_update_without_blocks_keeps_the_old_ones(client: AsyncWebClient) -> None:
    ts = (await client.chat_postMessage(channel="C0OPS", text="t", blocks=[section("kept")]))["ts"]

    kept = await client.api_call("chat.update", json={"channel": "C0OPS", "ts": ts, "text": "t"})
    removed = await client.api_call("chat.update", json={"channel": "C0OPS", "ts": ts, "text": "t", "blocks": []})

    assert kept["message"]["blocks"][0]["text"]["text"] == "kept"
    assert "blocks" not in removed["message"]


async def test_only_its_own_messages_can_be_changed(client: AsyncWebClient, erin: Visitor) -> None:
    ts = (await erin.types("hello"))["ts"]

    assert (await refusal(client, "chat.update", channel="C0OPS", ts=ts, text="t"))["error"] == "cant_update_message"
    assert (await refusal(client, "chat.delete", channel="C0OPS", ts=ts))["error"] == "cant_delete_message"


async def test_an_ephemeral_message_is_seen_by_one_person_and_cannot_be_changed(
    client: AsyncWebClient, erin: Visitor
) -> None:
    ts = (await client.chat_postEphemeral(channel="C0OPS", user="U0ERIN", text="psst"))["message_ts"]

    answer = await refusal(client, "chat.update", channel="C0OPS", ts=ts, text="t")

    assert answer["error"] == "message_not_found"
    assert [one["text"] for one in await erin.ephemerals()] == ["psst"]
    assert await erin.as_("ada").ephemerals() == []


async def test_an_ephemeral_message_needs_its_reader_in_the_channel(client: AsyncWebClient) -> None:
    answer = await refusal(client, "chat.postEphemeral", channel="C0SHR", user="U0VIC", text="t")

    assert answer["error"] == "user_not_in_channel"


async def test_a_thread_needs_a_first_message(client: AsyncWebClient) -> None:
    root = (await client.chat_postMessage(channel="C0OPS", text="root"))["ts"]
    reply = (await client.chat_postMessage(channel="C0OPS", text="reply", thread_ts=root))["ts"]

    unknown = await refusal(client, "chat.postMessage", channel="C0OPS", text="t", thread_ts="1.000001")
    nested = await refusal(client, "chat.postMessage", channel="C0OPS", text="t", thread_ts=reply)

    assert unknown["error"] == "thread_not_found"
    assert nested["error"] == "cannot_reply_to_message"


async def test_replies_come_with_metadata_when_asked_for(client: AsyncWebClient) -> None:
    metadata = {"event_type": "card", "event_payload": {"card_id": "7"}}
    root = (await client.chat_postMessage(channel="C0OPS", text="root"))["ts"]
    await client.chat_postMessage(channel="C0OPS", text="reply", thread_ts=root, metadata=metadata)

    plain = await client.conversations_replies(channel="C0OPS", ts=root)
    full = await client.conversations_replies(channel="C0OPS", ts=root, include_all_metadata=True)

    assert [message["text"] for message in full["messages"]] == ["root", "reply"]
    assert full["messages"][1]["metadata"] == metadata
    assert "metadata" not in plain["messages"][1]


async def test_a_broadcast_reply_stands_in_channel_and_thread(client: AsyncWebClient, erin: Visitor) -> None:
    root = (await client.chat_postMessage(channel="C0OPS", text="root"))["ts"]
    await client.chat_postMessage(channel="C0OPS", text="both", thread_ts=root, reply_broadcast=True)
    await client.chat_postMessage(channel="C0OPS", text="thread only", thread_ts=root)

    top = await erin.messages()

    assert [message["text"] for message in top] == ["root", "both"]
    assert [reply["text"] for reply in top[0]["replies"]] == ["both", "thread only"]


async def test_history_is_newest_first_and_pages(client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel="C0OPS", text="one")
    await client.chat_postMessage(channel="C0OPS", text="two")
    await client.chat_postMessage(channel="C0OPS", text="three")

    first = await client.conversations_history(channel="C0OPS", limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_history(channel="C0OPS", limit=2, cursor=cursor)

    assert [message["text"] for message in first["messages"]] == ["three", "two"]
    assert [message["text"] for message in second["messages"]] == ["one"]


async def test_people_differ_in_what_users_info_says(client: AsyncWebClient) -> None:
    sam = (await client.users_info(user="U0SAM"))["user"]
    gus = (await client.users_info(user="U0GUS"))["user"]
    dee = (await client.users_info(user="U0DEE"))["user"]

    assert (sam["team_id"], sam["is_stranger"]) == ("T0OTHER", True)
    assert gus["is_restricted"]
    assert dee["deleted"]


async def test_unknown_people_and_groups_are_refused(client: AsyncWebClient) -> None:
    assert (await refusal(client, "users.info", user="U0NONE"))["error"] == "user_not_found"
    assert (await refusal(client, "usergroups.users.list", usergroup="S0NONE"))["error"] == "no_such_subteam"


async def test_groups_list_their_members(client: AsyncWebClient) -> None:
    listed = await client.usergroups_list(include_users=True)
    members = await client.usergroups_users_list(usergroup="S0APPROVERS")

    assert [group["handle"] for group in listed["usergroups"]] == ["crdb-operators", "crdb-approvers"]
    assert members["users"] == ["U0ERIN", "U0ADA", "U0ABE"]


async def test_channels_say_whether_they_are_shared(client: AsyncWebClient) -> None:
    ops = (await client.conversations_info(channel="C0OPS"))["channel"]
    shared = (await client.conversations_info(channel="C0SHR"))["channel"]
    members = await client.conversations_members(channel="C0SHR")

    assert (ops["is_ext_shared"], shared["is_ext_shared"]) == (False, True)
    assert "U0SAM" in members["members"]


async def test_a_direct_message_reaches_its_reader_alone(client: AsyncWebClient, erin: Visitor) -> None:
    opened = await client.conversations_open(users="U0ERIN")
    await client.chat_postMessage(channel="U0ERIN", text="for you")

    assert opened["channel"]["id"] == "D0ERIN"
    assert [one["text"] for one in await erin.messages("D0ERIN")] == ["for you"]
    assert "D0ERIN" not in [one["id"] for one in (await erin.as_("ada").state())["channels"]]


async def test_a_permalink_leads_to_the_page(
    client: AsyncWebClient, console: Console, session: aiohttp.ClientSession
) -> None:
    ts = (await client.chat_postMessage(channel="C0OPS", text="t"))["ts"]
    link = (await client.chat_getPermalink(channel="C0OPS", message_ts=ts))["permalink"]

    async with session.get(link) as response:
        page = await response.text()

    assert link == f"{console.url}/archives/C0OPS/p{ts.replace('.', '')}"
    assert "not Slack" in page


async def test_rates_are_limited_when_wanted() -> None:
    async with Console(rates={"users.info": 2}) as console:
        client = AsyncWebClient(token=console.bot_token, base_url=console.api_url)
        await client.users_info(user="U0ERIN")
        await client.users_info(user="U0ERIN")
        with pytest.raises(SlackApiError) as caught:
            await client.users_info(user="U0ERIN")

    assert caught.value.response.status_code == 429
    assert int(caught.value.response.headers["Retry-After"]) > 0


async def test_faults_hit_as_many_calls_as_asked_for(client: AsyncWebClient, erin: Visitor) -> None:
    await erin.post("faults", method="users.info", kind="429", count=1, seconds=7)
    await erin.post("faults", method="users.info", kind="500", count=1)

    with pytest.raises(SlackApiError) as limited:
        await client.users_info(user="U0ERIN")
    with pytest.raises(SlackApiError) as broken:
        await client.users_info(user="U0ERIN")

    assert limited.value.response.headers["Retry-After"] == "7"
    assert broken.value.response.status_code == 500
    assert (await client.users_info(user="U0ERIN"))["ok"]


async def test_a_lost_answer_is_lost_after_the_message_was_posted(
    console: Console, client: AsyncWebClient, erin: Visitor
) -> None:
    console.faults.add(Fault("chat.postMessage", "lost_answer"))

    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel="C0OPS", text="posted all the same")

    assert [one["text"] for one in await erin.messages()] == ["posted all the same"]


async def test_buttons_get_ids_where_the_bot_gave_none(client: AsyncWebClient) -> None:
    unnamed = button("b", "a")
    del unnamed["action_id"]
    block = {"type": "actions", "elements": [unnamed]}

    answer = await client.chat_postMessage(channel="C0OPS", text="t", blocks=[block])

    posted = answer["message"]["blocks"][0]
    assert posted["block_id"]
    assert posted["elements"][0]["action_id"]


async def test_the_record_holds_calls_without_their_secrets(client: AsyncWebClient, console: Console) -> None:
    await client.chat_postMessage(channel="C0OPS", text="seen")

    (record,) = console.recorder.since(0)

    assert (record.direction, record.name, record.status) == ("api", "chat.postMessage", 200)
    assert record.arguments["text"] == "seen"
    assert console.bot_token not in json.dumps(record.to_json())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param({"cursor": "x"}, "invalid_cursor", id="cursor"),
        pytest.param({"oldest": "x"}, "invalid_ts_oldest", id="time"),
        pytest.param({"limit": "x"}, "invalid_arguments", id="limit"),
    ],
)
async def test_malformed_ranges_are_refused(client: AsyncWebClient, arguments: dict[str, str], error: str) -> None:
    assert (await refusal(client, "conversations.history", channel="C0OPS", **arguments))["error"] == error


async def test_an_unknown_kind_of_fault_is_refused_with_an_example(erin: Visitor) -> None:
    answer = await erin.post("faults", method="chat.update", kind="meteor")

    assert answer["error"] == "invalid_fault"
    assert '"kind": "429"' in answer["detail"]
