"""Runs the benches on a world of its own and prints a table and `name: value` lines."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from datetime import UTC, datetime

from activities.clients.api import Api
from devtools.bench import answers, clicks, deploys
from devtools.demo import state_folder
from devtools.machine import why_no_cluster
from devtools.scenarios.driver import CSRS, Driver
from devtools.stack import Stack
from gateway.ending import end

#: Rounds of the bare click; enough for a median.
_BARE_ROUNDS = 20


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
            page = driver.page
            rate = await answers.steady(page, rate=20, seconds=10)
            found["ack-p50-ms"], found["ack-p99-ms"] = answers.percentile(rate, 0.5), answers.percentile(rate, 0.99)
            found["ack-100-at-once-p95-ms"] = answers.percentile(await answers.at_once(page, 100), 0.95)
            bare = await clicks.bare(driver, api, count=_BARE_ROUNDS)
            found["click-bare-ms"] = statistics.median(bare)
            found["deploy-by-hand-s"] = await deploys.by_hand(stack)
            seconds, events, activities = await deploys.by_us(driver)
            found |= {"deploy-s": seconds, "deploy-events": events, "deploy-activities": activities}
            found["deploy-ratio"] = seconds / found["deploy-by-hand-s"]
            await _again(driver)
            ours, resumed = await _clicks(driver, api)
            found["click-ms"] = statistics.median(ours)
            found["click-ratio"] = found["click-ms"] / found["click-bare-ms"]
            found["resume-s"] = resumed
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
    driver.kubectl("delete", "csr", *CSRS)


async def _clicks(driver: Driver, api: Api) -> tuple[list[float], float]:
    """Click three cards one after the other, and one while the worker is being started again after kill -9."""
    run = await driver.type_change("erin", "/crdb deploy")
    found: list[float] = []
    for csr in CSRS[:-1]:
        card = await driver.card(csr, action="approve", seconds=120)
        found.append(await clicks.by_us(driver, api, card, csr))
    card = await driver.card(CSRS[-1], action="approve", seconds=120)
    driver.stack.ops.kill()
    driver.stack.ops.start()
    await driver.stack.ops.wait_ready()
    begun = time.monotonic()
    click = asyncio.create_task(driver.page.click("ada", card, "approve"))
    await driver.until_state(card, "issued")
    resumed = time.monotonic() - begun
    await click
    await run.result()
    return found, resumed


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
