"""A deploy under a fixed list of faults: Slack, bot, ops worker, signer and Temporal each fail, and nothing is doubled.

1. `/crdb deploy` is delivered twice, posts meet lost answers, 500 and 429; the bot is killed while it posts cards.
2. Redraws meet 429, 500 and a lost answer; a click is delivered twice.
3. The ops worker is killed, and somebody clicks meanwhile.
4. The signer is killed, somebody approves, Temporal is killed, both come back.
5. The acknowledgement of the last click is lost: with the socket, or by HTTP too late.
6. Slack answers nothing for a while; meanwhile the ops worker is killed right after `init`, and the deploy ends.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from temporalio.client import WorkflowHandle

from devtools.page import Message, text_of, until
from devtools.scenarios.counted import check_counts
from devtools.scenarios.driver import CSRS, NODES, Driver, history_events, seconds_of
from devtools.scenarios.leaks import check_for_leaks
from devtools.scenarios.story import BOTH, Story
from devtools.scenarios.told import Told

#: After this long without Slack its longest wait between two tries is a minute, and some time to work it off.
_BACK_WITHIN = 100.0


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    run = await _asked_for_in_a_storm(driver, told)
    cards = [await driver.card(csr, action="approve") for csr in CSRS]
    told.say("4 cards, after a killed bot, lost answers, 500 and 429")
    await _clicked_twice(driver, told, cards[0])
    await _without_worker(driver, told, cards[1])
    await _without_signer_and_temporal(driver, told, cards[2])
    await _unacknowledged(driver, told, cards[3])
    await _without_slack(driver, told, run)

    root = await driver.root(run, words="done", seconds=_BACK_WITHIN)
    told.check("the root message says done", "Cancel" not in text_of(root), found=text_of(root)[:300])
    await driver.told_its_end(run, seconds=_BACK_WITHIN)
    for card in cards:
        await driver.redrawn(card, "issued", seconds=_BACK_WITHIN)
    told.check("every card says issued", True)
    left = await driver.page.faults()
    told.check("every fault was met", not left, found=left)
    answer = driver.sql("SELECT 1")
    told.check("SQL answers", "\n1\n" in f"\n{answer}\n", found=answer)
    messages = await check_counts(driver, told, run, csrs=CSRS)
    looked = await check_for_leaks(driver)
    told.check(f"no secret leaked: {looked['secrets']} secrets, {looked['places']} places", True)
    return {
        "messages": messages,
        "seconds of the deploy": round(await seconds_of(run), 1),
        "history events": await history_events(run),
    }


async def _asked_for_in_a_storm(driver: Driver, told: Told) -> WorkflowHandle[Any, Any]:
    page = driver.page
    await page.fault("/crdb", "duplicate")
    for kind in ("lost_answer", "500", "429", "lost_answer"):
        await page.fault("chat.postMessage", kind)
    run = await driver.type_change("erin", "/crdb deploy")
    told.say("erin types /crdb deploy, which Slack delivers twice; posts meet a lost answer, 500, 429, a lost answer")

    async def first_card() -> bool:
        return any("/csr/" in str(m.get("metadata")) for m in await page.messages("ada"))

    await until(first_card, "the first card is there", seconds=90)
    await driver.restart(driver.stack.bot)
    told.say("bot: killed and started again while it posts cards")
    return run


async def _clicked_twice(driver: Driver, told: Told, card: Message) -> None:
    for kind in ("429", "500", "lost_answer"):
        await driver.page.fault("chat.update", kind)
    await driver.page.fault("block_actions", "duplicate")
    await driver.approve("ada", card)
    told.check("a click that is delivered twice is one decision", len((await driver.certify(card)).decisions) == 1)


async def _without_worker(driver: Driver, told: Told, card: Message) -> None:
    driver.stack.ops.kill()
    answer = await driver.page.click("abe", card, "approve")
    told.check("a click while no ops worker runs is taken", answer["ok"], found=answer)
    driver.stack.ops.start()
    await driver.until_state(card, "issued")
    told.say("ops: killed and started again; the click was carried out")


async def _without_signer_and_temporal(driver: Driver, told: Told, card: Message) -> None:
    driver.stack.signer.kill()
    answer = await driver.page.click("ada", card, "approve")
    assert answer["ok"], f"the click was not taken: {answer}"
    await driver.until_state(card, "decided")
    told.say("signer: killed; a decision waits for its signature")
    driver.stack.temporal.kill()
    await driver.stack.temporal.start()
    told.say("Temporal: killed and started again with its database file")
    driver.stack.signer.start()
    await driver.until_state(card, "issued", seconds=90)
    told.say("signer: started again; the decision was carried out")


async def _unacknowledged(driver: Driver, told: Told, card: Message) -> None:
    if driver.stack.transport == "socket":
        cut = await driver.page.drop_sockets()

        async def is_back() -> bool:
            return await driver.page.sockets() > 0

        await until(is_back, "the bot has a socket again", seconds=30)
        told.check("the socket is cut, and the bot opens another", cut == 1, found=cut)
        await driver.page.fault("block_actions", "drop")
    else:
        await driver.page.fault("block_actions", "late_ack")
    answer = await driver.page.click("abe", card, "approve")
    told.check("the person sees a time-out", answer.get("error") == "operation_timeout", found=answer)
    await driver.until_state(card, "issued")
    told.check("and the click was recorded all the same", len((await driver.certify(card)).decisions) == 1)


async def _without_slack(driver: Driver, told: Told, run: WorkflowHandle[Any, Any]) -> None:
    console, wanted = driver.stack.children["console"], driver.options.slack_away
    console.pause()
    began = time.monotonic()
    told.say("Slack: answers nothing")
    try:

        async def is_initialized() -> bool:
            said = await asyncio.to_thread(driver.kubectl, "logs", NODES[0], "-c", "cockroachdb", "--tail", "60")
            return "initialized new cluster" in said

        await until(is_initialized, "node 0 is initialized", seconds=120)
        await driver.restart(driver.stack.ops)
        told.say("ops: killed right after init and started again")
        result = await run.result()
        told.check("the deploy ends while Slack is away", result["outcome"] == "deployed", found=result)
        await asyncio.sleep(max(0.0, wanted - (time.monotonic() - began)))
    finally:
        console.resume()
    told.say(f"Slack: answers again, after {time.monotonic() - began:.0f} s")


STORY = Story(play, transports=BOTH)
