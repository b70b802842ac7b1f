"""Runs the benches on a world of its own and prints a table and `name: value` lines."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from datetime import UTC, datetime

from temporalio.common import SearchAttributeKey

from activities.clients.api import Api
from devtools.bench import answers, clicks, deploys, scales, waiting
from devtools.bench.quiet import quiet
from devtools.demo import state_folder
from devtools.machine import why_no_cluster
from devtools.page import until
from devtools.scenarios.driver import CSRS, Driver
from devtools.stack import Stack
from gateway.ending import end
from operations.queues import STATE

#: Rounds of the bare click before each click of ours: the same machine in the same mood.
_BARE_ROUNDS = 5
_STATE = SearchAttributeKey.for_keyword(STATE)
#: How it is seen that a certificate can be read, for each of the deploys whose cards are clicked one after another.
#: Each gives four samples, but for the last.
_SEEN = (clicks.asked, clicks.watched, clicks.asked)


async def bench() -> dict[str, float]:
    """Measure everything; return the figures by name."""
    stack = Stack(
        state_folder(f"bench-{os.getpid()}"), name=f"be{os.getpid()}", say=lambda line: print(line, flush=True)
    )
    found: dict[str, float] = {}
    try:
        await stack.up()
        driver = await Driver.of(stack)
        async with await Api.connect(stack.cluster.kubeconfig) as api:
            await quiet()
            rate = await answers.steady(driver.page, rate=20, seconds=10)
            found["ack-p50-ms"], found["ack-p99-ms"] = answers.percentile(rate, 0.5), answers.percentile(rate, 0.99)
            found["ack-100-at-once-p95-ms"] = answers.percentile(await answers.at_once(driver.page, 100), 0.95)
            await quiet()
            found["deploy-by-hand-s"] = await deploys.by_hand(stack)
            await quiet()
            found["scale-by-hand-s"] = await scales.by_hand(stack)
            deploys.remove(stack)
            await quiet()
            seconds, events, activities = await deploys.by_us(driver)
            found |= {"deploy-s": seconds, "deploy-events": events, "deploy-activities": activities}
            found["deploy-ratio"] = seconds / found["deploy-by-hand-s"]
            await quiet()
            found["scale-s"] = await scales.by_us(driver)
            found["scale-ratio"] = found["scale-s"] / found["scale-by-hand-s"]
            found |= await scales.waiting(driver)
            bare: dict[clicks.Seen, list[float]] = {seen: [] for seen in _SEEN}
            ours: dict[clicks.Seen, list[float]] = {seen: [] for seen in _SEEN}
            for number, seen in enumerate(_SEEN):
                await _again(driver)
                run = await driver.type_change("erin", "/crdb deploy")
                is_last = number == len(_SEEN) - 1
                for csr in CSRS[:-1] if is_last else CSRS:
                    card = await driver.card(csr, action="approve", seconds=120)
                    await quiet()
                    bare[seen] += await clicks.bare(driver, api, count=_BARE_ROUNDS, seen=seen)
                    await quiet()
                    ours[seen].append(await clicks.by_us(driver, api, card, csr, seen=seen))
                if is_last:
                    found["resume-s"] = await _resumed(driver)
                await run.result()
            for seen, name in ((clicks.asked, "click"), (clicks.watched, "click-watched")):
                bare_ms, ours_ms = statistics.median(bare[seen]), statistics.median(ours[seen])
                found |= {f"{name}-bare-ms": bare_ms, f"{name}-ms": ours_ms, f"{name}-ratio": ours_ms / bare_ms}
            await quiet()
            found |= await waiting.measure(driver, api)
    finally:
        await stack.down()
        stack.forget()
    return found


async def _again(driver: Driver) -> None:
    """Remove the cluster by hand, so that a second deploy asks for certificates once more."""
    for kind, name in (
        ("statefulset", "cockroachdb"),
        ("pod", "cockroachdb-client-secure"),
        ("secret", "crdb.client.root"),
    ):
        driver.kubectl("delete", kind, name, "--wait=true", "--timeout=120s")
    driver.kubectl("delete", "pvc", "--all", "--wait=true", "--timeout=120s")
    driver.kubectl("delete", "csr", "--all")


async def _resumed(driver: Driver) -> float:
    """Kill the worker, click while it is away, start it; return the seconds from its return to the recorded click."""
    card = await driver.card(CSRS[-1], action="approve", seconds=120)
    run = driver.certify_run(card)
    await quiet()
    driver.stack.ops.kill()
    click = asyncio.create_task(driver.page.click("ada", card, "approve"))
    driver.stack.ops.start()
    await driver.stack.ops.wait_ready()
    begun = time.monotonic()

    async def taken() -> bool:
        return (await run.describe()).typed_search_attributes.get(_STATE) != "pending"

    await until(taken, "the click that was made meanwhile is recorded", seconds=30)
    resumed = time.monotonic() - begun
    await click
    await driver.until_state(card, "issued")
    return resumed


def main() -> int:
    """Run and print; 2 when this machine cannot."""
    why = why_no_cluster()
    if why:
        print(f"make bench: {why}.", file=sys.stderr)
        return 2
    found = asyncio.run(bench())
    print(f"\n| measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores | value |\n| --- | --- |")
    for name, value in found.items():
        print(f"| {name} | {value:.2f} |")
    print()
    for name, value in found.items():
        print(f"{name}: {value:.2f}")
    return 0


if __name__ == "__main__":
    end(main())
