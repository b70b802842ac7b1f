"""The main job, from `/crdb deploy` to SQL, with everybody who must not approve trying to.

1. erin types; four cards come. 2. Requester and stranger are refused, an approver is not. 3. A request with the names
of another pod, made with a pod's own token, can be approved by nobody, while that pod's good request can. 4. kubectl
shows what the procedure by hand shows. 5. SQL answers. 6. A second deploy finds nothing to do.
"""

from __future__ import annotations

import re

from devtools.page import actions_of, text_of
from devtools.scenarios.driver import CLIENT_POD, CSRS, NODES, Driver, history_events, seconds_of
from devtools.scenarios.rogue import ask_with_names_of
from devtools.scenarios.story import Story
from devtools.scenarios.told import Told
from devtools.stack import REF

_ROGUE = f"{REF.namespace}.node.{NODES[1]}.rogue"


async def play(driver: Driver, told: Told) -> dict[str, object]:
    """Play the story; return the counts."""
    told.say("erin types /crdb deploy")
    run = await driver.type_change("erin", "/crdb deploy")
    cards = {csr: await driver.card(csr, action="approve") for csr in CSRS}
    told.check(f"{len(cards)} cards ask for a decision", len(cards) == len(NODES) + 1)

    first = cards[CSRS[0]]
    said = await driver.refused("erin", first, "approve", words="asked for")
    told.check("the requester's click is refused", (await driver.certify(first)).state == "pending", found=said)
    said = await driver.refused("sam", first, "approve", words="workspace")
    told.check("the stranger's click is refused", (await driver.certify(first)).state == "pending", found=said)
    await driver.approve("ada", first)
    told.check("the approver's click issues the certificate", (await driver.certify(first)).state == "issued")

    await _rogue(driver, told)
    for csr in CSRS[1:]:
        await driver.approve("ada" if csr.endswith("root") else "abe", await driver.card(csr, action="approve"))
        told.say(f"approved: {csr}")
    result = await run.result()
    told.check("deploy ends as deployed", result["outcome"] == "deployed", found=result)
    root = await driver.root(run, words="done")
    told.check("the root message says so", "Cancel" not in text_of(root), found=text_of(root)[:300])
    await _look_with_kubectl(driver, told)

    again = await driver.type_change("erin", "/crdb deploy")
    outcome = (await again.result())["outcome"]
    told.check("a second deploy finds nothing to do", outcome == "nothing-to-do", found=outcome)
    status = await driver.operation(run)
    return {
        "steps": len(status.steps),
        "CSRs": len(driver.csr_conditions()),
        "seconds": round(await seconds_of(run), 1),
        "history events": await history_events(run),
    }


async def _rogue(driver: Driver, told: Told) -> None:
    ask_with_names_of(driver, pod=NODES[1], victim=NODES[0], name=_ROGUE)
    told.say(f"{NODES[1]}'s token asks for the names of {NODES[0]}: {_ROGUE}")
    rogue = await driver.card(_ROGUE, action="deny")
    told.check("its card offers no Approve", "approve" not in actions_of(rogue), found=actions_of(rogue))
    approval = (await driver.certify(rogue)).approval_id
    before = len(await driver.page.ephemerals("ada"))
    await driver.page.command("ada", f"/crdb approve {approval}")
    await driver.page.until_ephemeral("ada", after=before, words="nobody can approve")
    told.check("typing approve is refused too", driver.csr_conditions()[_ROGUE] == "Pending")
    good = await driver.certify(await driver.card(CSRS[1], action="approve"))
    told.check(
        f"the good request of {NODES[1]} stays approvable",
        good.verdict is not None and good.verdict.is_approvable and good.state == "pending",
    )
    before = len(await driver.page.ephemerals("ada"))
    await driver.page.command("ada", f'/crdb deny {approval} "names of another pod"')
    await driver.until_state(rogue, "denied")
    await driver.until_conditions({_ROGUE: "Denied"})
    told.check("an approver denies it with a reason", True)


async def _look_with_kubectl(driver: Driver, told: Told) -> None:
    wanted = dict.fromkeys(CSRS, "Approved,Issued")
    told.check("kubectl: CSRs are Approved,Issued", (await driver.until_conditions(wanted)) is not None)
    pods = driver.kubectl("get", "pods", "--no-headers")
    rows = {row.split()[0]: row.split()[1:3] for row in pods.splitlines()}
    told.check(
        "kubectl: pods are 1/1 Running",
        all(rows.get(p) == ["1/1", "Running"] for p in (*NODES, CLIENT_POD)),
        found=pods,
    )
    volumes = driver.kubectl("get", "pvc", "--no-headers")
    bound = re.findall(r"^datadir-cockroachdb-\d\s+Bound", volumes, re.MULTILINE)
    told.check("kubectl: volumes are Bound", len(bound) == len(NODES), found=volumes)
    answer = driver.sql("SELECT 1")
    told.check("SELECT 1 answers through the client pod", re.search(r"^1$", answer, re.M) is not None, found=answer)


STORY = Story(play)
