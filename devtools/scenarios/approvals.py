"""Everything that people may do with a certificate request but approve it at once.

1. Three nodes' requests are reviewed at once, and one of them is denied meanwhile: its reason stands in Kubernetes.
2. Ask again: the pod asks with a new key; that request is denied by `kubectl` behind our back. Ask again.
3. The next one is approved by `kubectl`, which counts as nobody's. The bot is killed and started; a person decides.
4. root's card reminds, tells the channel, and expires within a minute (settings). A click that comes late is refused;
   Ask again brings a new card, and the old one decides nothing.
5. root wants two approvers (a setting); between them the bot is killed and started. The deploy ends.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from temporalio.client import WorkflowHandle

from devtools.page import Message, actions_of, text_of, until
from devtools.scenarios.counted import check_no_message_twice
from devtools.scenarios.driver import CSRS, Driver, history_events, origin_of, seconds_of
from devtools.scenarios.story import BOTH, Story
from devtools.scenarios.told import Told

_SETTINGS = """
[approvals.client_root]
approvals = 2
expires_minutes = 0.75
remind_minutes = [0.2]
escalate_minutes = 0.4
"""
_REASON = "not now: the rack of this node is being moved"
_ROOT = CSRS[-1]
#: Seconds before the expiry of a card, in which the bot is stopped from drawing it.
_MARGIN = 2.0


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    told.say("erin types /crdb deploy")
    run = await driver.type_change("erin", "/crdb deploy")
    cards = {csr: await driver.card(csr, action="approve") for csr in CSRS}
    told.say("4 cards; root's expires in 45 s")

    await _review(driver, told, run, cards)
    second = await _ask_again(driver, told, run)
    await _denied_behind_our_back(driver, told, second)
    third = await _ask_again(driver, told, run)
    await _approved_behind_our_back(driver, told, third)
    card = await _expired(driver, told, cards[_ROOT])
    await _two_approvers(driver, told, card)

    result = await run.result()
    told.check("deploy ends as deployed", result["outcome"] == "deployed", found=result)
    await driver.root(run, words="done")
    await driver.told_its_end(run)
    posted = await check_no_message_twice(driver, told)
    return {
        "CSRs": len(driver.csr_conditions()),
        "messages": len(posted),
        "seconds": round(await seconds_of(run), 1),
        "history events": await history_events(run),
    }


async def _review(driver: Driver, told: Told, run: WorkflowHandle[Any, Any], cards: dict[str, Message]) -> None:
    """Approve three at once, one of which somebody else denies while the dialog is open."""

    async def offered() -> Message | None:
        root = await driver.root(run)
        return root if "review" in actions_of(root) else None

    root = await until(offered, "the operation's message offers the review", seconds=30)
    answer = await driver.page.click("abe", root, "review")
    assert answer["ok"], f"the click was not taken: {answer}"
    view = await driver.page.until_view("abe", callback="review")
    block = next(block for block in view["blocks"] if block["type"] == "input")
    rows = {option["text"]["text"]: option["value"] for option in block["element"]["options"]}
    told.check("abe opens the review, which lists 4 requests", len(rows) == len(CSRS), found=list(rows))

    first, second, third = CSRS[:3]
    await driver.deny("ada", cards[third], _REASON)
    told.check("ada denies one with a reason, which Kubernetes holds", _REASON in _condition(driver, third, "Denied"))
    await driver.redrawn(cards[third], _REASON)
    told.check("and its card shows it", True)

    ticked = [value for label, value in rows.items() if label.startswith("node ")]
    answer = await driver.page.submit("abe", view["id"], {block["block_id"]: {"requests": ticked}})
    assert answer["ok"], f"the review was not taken: {answer}"
    said = json.dumps(await driver.page.until_view("abe", callback="", words="2 of 3 approved"), ensure_ascii=False)
    told.check(
        "abe approves three at once: two are approved", "already decided" in said and _REASON in said, found=said
    )
    for csr in (first, second):
        await driver.until_state(cards[csr], "issued")
    told.check("the third stays denied", driver.csr_conditions()[third] == "Denied")


async def _ask_again(driver: Driver, told: Told, run: WorkflowHandle[Any, Any]) -> str:
    """Click Ask again on the operation's message; return the name of the request that comes."""
    before = set(driver.csr_conditions())

    async def may_ask_again() -> Message | None:
        is_offered = (await driver.operation(run)).may_ask_again
        root = await driver.root(run)
        return root if is_offered and "ask_again" in actions_of(root) else None

    root = await until(may_ask_again, "the operation's message offers Ask again", seconds=60)
    answer = await driver.page.click("erin", root, "ask_again")
    assert answer["ok"], f"the click was not taken: {answer}"

    async def asked() -> str | None:
        return next(iter(set(driver.csr_conditions()) - before), None)

    found = await until(asked, "the pod asks again", seconds=60)
    told.check(f"erin clicks Ask again, the pod asks with a new key: {found}", found.startswith(f"{CSRS[2]}."))
    return found


async def _denied_behind_our_back(driver: Driver, told: Told, csr: str) -> None:
    card = await driver.card(csr, action="approve")
    driver.kubectl("certificate", "deny", csr)
    status = await driver.until_state(card, "denied")
    drawn = await driver.redrawn(card, "Decided outside Slack")
    told.check(
        "kubectl certificate deny closes the card, and names nobody",
        not status.decisions and "approve" not in actions_of(drawn),
        found=text_of(drawn)[:500],
    )


async def _approved_behind_our_back(driver: Driver, told: Told, csr: str) -> None:
    card = await driver.card(csr, action="approve")
    driver.kubectl("certificate", "approve", csr)
    drawn = await driver.redrawn(card, "names nobody")
    told.check("kubectl certificate approve counts as nobody's, says the card", "approve" in actions_of(drawn))
    await driver.restart(driver.stack.bot)
    told.say("bot: killed and started again while cards are open")
    status = await driver.certify(card)
    told.check("nothing was issued", driver.csr_conditions()[csr] == "Approved" and status.state == "pending")
    await driver.approve("abe", card)
    told.check("a person's click on the card of before issues it", driver.csr_conditions()[csr] == "Approved,Issued")


async def _expired(driver: Driver, told: Told, old: Message) -> Message:
    """Let root's card expire; return the new one."""
    while not await _clicked_too_late(driver, told, old):
        told.say("root's card expired before it could be clicked too late: once more")
        old = await _new_card(driver, old)
    drawn = await driver.redrawn(old, "Expired")
    await _reminded(driver, told, (await driver.certify(old)).approval_id)
    offered = actions_of(drawn)
    told.check("root's card expired: no Approve, Ask again", "ask_again" in offered and "approve" not in offered)
    told.check("nothing changed in Kubernetes", driver.csr_conditions()[_ROOT] == "Pending")
    before = (await driver.certify(old)).approval_id
    card = await _new_card(driver, drawn)
    now = (await driver.certify(card)).approval_id
    told.check("Ask again brings a new card with a new approval id", now != before, found=(before, now))
    seen = len(await driver.page.ephemerals("abe"))
    await driver.page.command("abe", f"/crdb approve {before}")
    said = await driver.page.until_ephemeral("abe", after=seen, words=before)
    told.check("the old approval id decides nothing", not (await driver.certify(card)).decisions, found=text_of(said))
    return card


async def _reminded(driver: Driver, told: Told, approval_id: str) -> None:
    """Check that the card's thread was reminded and the channel told, each once, before it expired."""
    posted = [m for m in await driver.page.messages("ada") if origin_of(m).get("kind") == "say"]
    keys = [str(origin_of(m).get("key")) for m in posted]
    wanted = [f"remind-1:{approval_id}", f"escalate:{approval_id}"]
    told.check(
        "people were reminded once, and the channel told once", all(keys.count(k) == 1 for k in wanted), found=keys
    )


async def _clicked_too_late(driver: Driver, told: Told, card: Message) -> bool:
    """Click Approve on a card that has expired and does not show it yet; False when it shows it already."""
    status = await driver.certify(card)
    assert status.expires_at is not None
    left = (status.expires_at - datetime.now(UTC)).total_seconds()
    if status.state != "pending" or left < _MARGIN:
        return False
    await asyncio.sleep(left - _MARGIN)
    seen = len(await driver.page.ephemerals("abe"))
    driver.stack.bot.pause()  # so that nobody draws the card anew
    try:
        await driver.until_state(card, "expired", seconds=30)
        await driver.page.click("abe", card, "approve")
    finally:
        driver.stack.bot.resume()
    await driver.page.until_ephemeral("abe", after=seen, words="expired")
    told.check("a click on the card of before is refused", not (await driver.certify(card)).decisions)
    return True


async def _new_card(driver: Driver, old: Message) -> Message:
    """Click Ask again on an expired card and wait for the new one."""
    drawn = await driver.redrawn(old, "Expired")
    answer = await driver.page.click("ada", drawn, "ask_again")
    assert answer["ok"], f"the click was not taken: {answer}"

    async def is_newer() -> Message | None:
        card = await driver.card(_ROOT, action="approve")
        return card if card["ts"] != old["ts"] else None

    return await until(is_newer, "a new card of root is there", seconds=30)


async def _two_approvers(driver: Driver, told: Told, card: Message) -> None:
    answer = await driver.page.click("ada", card, "approve")
    assert answer["ok"], f"the click was not taken: {answer}"
    drawn = await driver.redrawn(card, "1 more needed")
    told.check("ada approves root: one more is needed", driver.csr_conditions()[_ROOT] == "Pending")
    said = await driver.refused("ada", drawn, "approve", words="already")
    told.check("she cannot be the second", len((await driver.certify(card)).decisions) == 1, found=said)
    await driver.restart(driver.stack.bot)
    told.say("bot: killed and started again between the two")
    await driver.approve("abe", card)
    people = {decision.person.id for decision in (await driver.certify(card)).decisions}
    told.check("abe approves: issued, by two people", people == {"U0ADA", "U0ABE"}, found=people)


def _condition(driver: Driver, csr: str, kind: str) -> str:
    """Return reason and message of a request's condition."""
    conditions = driver.csr(csr)["status"].get("conditions", [])
    return " ".join(f"{c.get('reason')}: {c.get('message')}" for c in conditions if c["type"] == kind)


STORY = Story(play, settings=_SETTINGS, transports=BOTH)
