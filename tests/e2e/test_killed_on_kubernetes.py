"""The ops worker killed with SIGKILL in a deploy on the real cluster: while people are waited for, between approval
and signature, and right after `init`. One world for all of it, since it takes half a minute to bring up."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from devtools.page import until
from devtools.scenarios.driver import CSRS, NODES, Driver
from devtools.scenarios.leaks import check_for_leaks
from devtools.stack import Stack

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


async def test_a_deploy_goes_on_after_each_kill_and_init_reached_one_node_once(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "world", name="e2ekill")
    try:
        await stack.up()
        driver = await Driver.of(stack)
        run = await driver.type_change("erin", "/crdb deploy")
        cards = [await driver.card(csr, action="approve") for csr in CSRS]

        await _second_deploy_is_told_who_is_first(driver)
        await _killed_while_a_person_is_waited_for(driver, cards[0])
        await _killed_between_approval_and_signature(driver, cards[1])
        await _two_people_click_within_a_second(driver, cards[2])
        await driver.page.click("abe", cards[3], "approve")
        await _killed_right_after_init(driver)

        result = await run.result()
        assert result["outcome"] == "deployed"
        begun = [pod for pod in NODES if "initialized new cluster" in driver.kubectl("logs", pod, "-c", "cockroachdb")]
        assert begun == [NODES[0]]
        ids = {re.search(r"clusterID:\s+(\S+)", driver.kubectl("logs", pod, "-c", "cockroachdb")) for pod in NODES}
        assert {found.group(1) for found in ids if found} == {result["cluster_id"]}
        assert await driver.until_conditions(dict.fromkeys(CSRS, "Approved,Issued"))
        # In this world, since all of its histories, logs and messages are there to be searched.
        looked = await check_for_leaks(driver)
        assert looked["places"] > 100
    except BaseException:
        for child in stack.children.values():
            print(f"--- {child.log}\n{child.tail(40)}")
        raise
    finally:
        await stack.down()


async def _second_deploy_is_told_who_is_first(driver: Driver) -> None:
    before = len(await driver.page.ephemerals("ada"))

    await driver.page.command("ada", "/crdb deploy")

    said = await driver.page.until_ephemeral("ada", after=before, words="deploy")
    assert "erin" in str(said).lower()


async def _killed_while_a_person_is_waited_for(driver: Driver, card: dict[str, object]) -> None:
    driver.stack.ops.kill()

    click = asyncio.create_task(driver.page.click("ada", card, "approve"))
    driver.stack.ops.start()

    assert (await click)["ok"]
    await driver.until_state(card, "issued")


async def _killed_between_approval_and_signature(driver: Driver, card: dict[str, object]) -> None:
    driver.stack.signer.kill()
    await driver.page.click("ada", card, "approve")
    await driver.until_state(card, "decided")

    driver.stack.ops.kill()
    driver.stack.ops.start()
    driver.stack.signer.start()

    status = await driver.until_state(card, "issued", seconds=90)
    assert [decision.person.id for decision in status.decisions] == ["U0ADA"]


async def _two_people_click_within_a_second(driver: Driver, card: dict[str, object]) -> None:
    await asyncio.gather(*(driver.page.click(who, card, "approve") for who in ("ada", "abe", "ada", "abe")))

    status = await driver.until_state(card, "issued")
    assert len(status.decisions) == 1


async def _killed_right_after_init(driver: Driver) -> None:
    async def initialized() -> bool:
        return "initialized new cluster" in driver.kubectl("logs", NODES[0], "-c", "cockroachdb", "--tail", "60")

    await until(initialized, "node 0 was initialized", seconds=120)
    driver.stack.ops.kill()
    driver.stack.ops.start()
