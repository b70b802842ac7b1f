"""The review as a person meets it: the page in a real Chromium, the real bot, tick boxes, results."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.bot import given
from tests.bot.harness import Stage
from tests.bot.test_review import request, root_of, waits
from tests.console.test_page_in_browser import ARGUMENTS, CHROMIUM

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="THE REVIEW IS NOT LOOKED AT: no chromium here: apt-get install --no-install-recommends chromium",
    ),
]


@pytest.fixture
async def page(on: Stage) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(15_000)
        yield page
        await browser.close()


async def test_an_approver_reviews_three_of_which_one_has_changed_and_one_cannot_be_ticked(
    on: Stage, page: Page
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    bad = given.verdict(failing=1).model_copy(update={"fingerprint": "e" * 64})
    waits(on, request(0), request(1), request(2, verdict=bad))
    await root_of(on)
    await page.goto(on.console.url)
    await page.locator('[data-persona="ada"]').click()
    await page.get_by_role("button", name="Review 3 requests").click()
    modal = page.locator("dialog.modal")

    await expect(modal.get_by_role("checkbox")).to_have_count(2)
    await expect(modal).to_contain_text("node cockroachdb-2")
    await expect(modal).to_contain_text("1 of 17 checks fail: nobody can approve this")
    await modal.get_by_role("button", name="Approve ticked").click()
    await expect(modal.locator(".problem")).to_have_text("Please complete this required field.")
    await modal.get_by_label("node cockroachdb-0").check()
    await modal.get_by_label("node cockroachdb-1").check()
    on.gateway.others["run-1"] = request(1, approval_id="new00001")
    await modal.get_by_role("button", name="Approve ticked").click()

    await expect(modal).to_contain_text("1 of 2 approved")
    await expect(modal).to_contain_text("skipped: it changed since it was shown")
    await expect(modal.get_by_role("checkbox")).to_have_count(0)
    await modal.get_by_role("button", name="Close").last.click()
    await expect(modal).to_have_count(0)
    await expect(page.get_by_role("button", name="Review 2 requests")).to_be_visible()
    assert errors == []
