"""The page in a real Chromium: typing, clicking, threads, modals, switching people; no error, no request elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from devtools.console import Console
from tests.console import cards
from tests.console.tiny_bot import TinyBot

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

# One browser for the whole file: starting it takes longer than all the rest.
pytestmark = [
    pytest.mark.processes,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="THE PAGE IS NOT TESTED: no chromium here. Install it: apt-get install --no-install-recommends chromium",
    ),
]


expect.set_options(timeout=15_000)


@dataclass
class Watch:
    """What went wrong in the page, and whom it asked."""

    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def console() -> AsyncIterator[Console]:
    async with Console() as console:
        yield console


@pytest_asyncio.fixture(loop_scope="module")
async def bot(console: Console) -> AsyncIterator[TinyBot]:
    bot = TinyBot(token=console.bot_token, signing_secret=console.signing_secret, api_url=console.api_url)
    await bot.start()
    console.bot_url = bot.url
    yield bot
    await bot.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, console: Console, bot: TinyBot, watch: Watch) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    page.on("console", lambda line: watch.errors.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: watch.hosts.add(urlsplit(request.url).netloc))
    await page.goto(console.url)
    yield page
    await page.close()


async def types(page: Page, text: str) -> None:
    field = page.locator("#composer textarea")
    await field.fill(text)
    await field.press("Enter")


async def test_a_newcomer_asks_an_approver_decides_and_nothing_goes_wrong(
    page: Page, console: Console, watch: Watch
) -> None:
    await expect(page).to_have_title("# db-ops – stand-in workspace (not Slack)")
    await page.get_by_text("Welcome, Erin Ellis").wait_for()
    await types(page, "/crdb help")
    await expect(page.locator(".message.ephemeral")).to_contain_text("Only visible to you")

    await types(page, "/crdb deploy nodes=3")
    await page.locator("#stream .replies").click()
    card = page.locator("#thread .message", has_text="Sign certificate for node crdb-1")
    await card.wait_for()
    await page.locator('[data-persona="ada"]').click()
    await expect(page.locator(".person.me")).to_contain_text("Ada Archer")
    await card.get_by_role("button", name="Approve").click()
    await page.locator("dialog.confirm").get_by_role("button", name="Approve").click()

    await expect(card).to_contain_text("Approved by @ada")
    await expect(card).to_contain_text("(edited)")
    await expect(card.get_by_role("button", name="Approve")).to_have_count(0)
    assert watch.errors == []
    assert watch.hosts == {f"127.0.0.1:{console.port}"}


async def test_a_modal_shows_what_is_wrong_beside_the_field_and_keeps_what_was_typed(
    page: Page, bot: TinyBot, watch: Watch
) -> None:
    await types(page, "/crdb deploy")
    await page.locator('#stream [data-action-id="deny"]').click()
    modal = page.locator("dialog.modal")
    await modal.get_by_label("Names are wrong").check()
    await modal.locator("textarea").fill("no idea")
    await modal.get_by_role("button", name="Deny").click()

    await expect(modal.locator(".problem")).to_have_text("Say why: because …")
    await expect(modal.locator("textarea")).to_have_value("no idea")
    await expect(modal.get_by_label("Names are wrong")).to_be_checked()

    await modal.locator("textarea").fill("because of its names")
    await modal.get_by_role("button", name="Deny").click()
    await expect(modal).to_have_count(0)
    values = bot.submitted[0]["state"]["values"]
    assert values["reason"]["text"]["value"] == "because of its names"
    assert values["preset"]["choice"]["selected_option"]["value"] == "names"
    assert watch.errors == []


async def test_a_click_that_nobody_answers_is_marked_beside_the_button(page: Page, bot: TinyBot) -> None:
    block = {"type": "actions", "elements": [cards.button("Old button", "forgotten")]}
    await bot.client.chat_postMessage(channel="C0OPS", text="t", blocks=[block])

    await page.get_by_role("button", name="Old button").click()

    await expect(page.locator(".failed")).to_contain_text("dispatch_failed")
    await expect(page.get_by_role("button", name="Old button")).to_be_enabled()


async def test_markup_of_others_stays_text(page: Page, bot: TinyBot, watch: Watch) -> None:
    evil = '<script>document.title="taken"</script><img src=x onerror="document.title=1">'
    texts = [
        evil,
        "&lt;b&gt;not bold&lt;/b&gt;",
        "<javascript:alert(1)|press me>",
        "<https://example.com/?a=1&amp;b=2|a link>",
        "*bold* _slanted_ ~gone~ `code *not bold*` snake_case_name 2*3*4",
    ]
    await bot.client.chat_postMessage(channel="C0OPS", text="\n".join(texts))
    text = page.locator("#stream .message .text")

    await expect(text).to_contain_text("<b>not bold</b>")
    await expect(text.locator("script, img")).to_have_count(0)
    await expect(text.get_by_role("link")).to_have_count(1)
    await expect(text.get_by_role("link")).to_have_attribute("href", "https://example.com/?a=1&b=2")
    await expect(text.locator("b")).to_have_text(["bold"])
    await expect(text.locator("i")).to_have_text(["slanted"])
    await expect(text.locator("s")).to_have_text(["gone"])
    await expect(text.locator("code")).to_have_text(["code *not bold*"])
    await expect(page).to_have_title("# db-ops – stand-in workspace (not Slack)")
    assert watch.errors == []


async def test_app_home_and_messages_of_the_app_have_their_places(page: Page, bot: TinyBot, watch: Watch) -> None:
    await bot.client.chat_postMessage(channel="U0ERIN", text="only for Erin")

    await page.locator('[data-place="home"]').click()
    await expect(page.locator(".home")).to_contain_text("Waiting for you")
    await page.locator(".home").get_by_role("button", name="Review").click()
    await expect(page.locator("dialog.modal")).to_contain_text("Request in detail")
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog.modal")).to_have_count(0)
    await page.locator('[data-place="D0ERIN"]').click()

    await expect(page.locator("#stream")).to_contain_text("only for Erin")
    assert watch.errors == []


async def test_a_permalink_leads_to_its_message_in_the_thread(page: Page, bot: TinyBot, watch: Watch) -> None:
    root = (await bot.client.chat_postMessage(channel="C0OPS", text="root"))["ts"]
    reply = (await bot.client.chat_postMessage(channel="C0OPS", text="reply", thread_ts=root))["ts"]
    link = (await bot.client.chat_getPermalink(channel="C0OPS", message_ts=reply))["permalink"]

    await page.goto(link)

    await expect(page.locator("#thread .message.found")).to_contain_text("reply")
    assert watch.errors == []


async def test_a_message_that_did_not_change_keeps_its_focus(page: Page, bot: TinyBot) -> None:
    block = {"type": "actions", "elements": [cards.button("Keep", "keep")]}
    await bot.client.chat_postMessage(channel="C0OPS", text="t", blocks=[block])
    await page.get_by_role("button", name="Keep").focus()

    await bot.client.chat_postMessage(channel="C0OPS", text="something else")
    await page.get_by_text("something else").wait_for()

    await expect(page.get_by_role("button", name="Keep")).to_be_focused()
