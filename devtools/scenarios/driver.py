"""What scenarios and end-to-end tests do with a local world: type, find cards, click, look with kubectl.

Nothing here goes round the product: people act through the page, facts come from Kubernetes and Temporal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from devtools.page import Message, Page, actions_of, text_of, until, written_in
from devtools.processes import Child
from devtools.stack import REF, Stack
from operations.certify import CertifyStatus
from operations.messages import STATUS, OperationStatus
from operations.queues import change_id

NODES = ("cockroachdb-0", "cockroachdb-1", "cockroachdb-2")
CLIENT_POD = "cockroachdb-client-secure"
#: Requests of the first deploy, by the names that the procedure by hand knows.
CSRS = (*(f"{REF.namespace}.node.{pod}" for pod in NODES), f"{REF.namespace}.client.root")


@dataclass(frozen=True)
class Options:
    """What whoever plays a scenario may choose.

    Args:
        slack_away: Seconds for which Slack answers nothing, in the scenarios in which it does so.
        nodes: Nodes of Kubernetes; a scenario that needs more has more.
    """

    slack_away: float = 12.0
    nodes: int = 1


_DEFAULTS = Options()


class Driver:
    """Acts in one local world."""

    def __init__(self, stack: Stack, client: Client, *, options: Options = _DEFAULTS) -> None:
        self.stack, self.client, self.options = stack, client, options
        self.page: Page = stack.page
        self.ref = REF

    @classmethod
    async def of(cls, stack: Stack, *, options: Options = _DEFAULTS) -> Driver:
        """Return the driver of a world that is up."""
        return cls(stack, await stack.client(), options=options)

    # --- operations ---

    async def type_change(self, persona: str, text: str) -> WorkflowHandle[Any, Any]:
        """Type a command that starts a change; return its run once Temporal has it."""
        return await self._started(self.page.command(persona, text), text)

    async def click_change(self, persona: str, message: Message, action: str) -> WorkflowHandle[Any, Any]:
        """Click a button that starts a change; return its run once Temporal has it."""
        return await self._started(self.page.click(persona, message, action), action)

    async def _started(self, asking: Awaitable[dict[str, Any]], what: str) -> WorkflowHandle[Any, Any]:
        before = await self._run_id()
        answer = await asking
        assert answer["ok"], f"{what} was not taken: {answer}"

        async def started() -> str | None:
            now = await self._run_id()
            return now if now != before else None

        run_id = await until(started, f"{what} starts a run", seconds=30)
        return self.client.get_workflow_handle(change_id(REF), run_id=run_id)

    async def _run_id(self) -> str:
        try:
            return (await self.client.get_workflow_handle(change_id(REF)).describe()).run_id
        except RPCError:
            return ""

    async def operation(self, run: WorkflowHandle[Any, Any]) -> OperationStatus:
        """Return a change's status."""
        status: OperationStatus = await run.query(STATUS, result_type=OperationStatus)
        return status

    async def status(self, *, words: str = "nodes ready") -> str:
        """Type `/crdb status` as a viewer; return what the answer with these words says."""
        before = len(await self.page.ephemerals("vic"))
        await self.page.command("vic", "/crdb status")
        return written_in(await self.page.until_ephemeral("vic", after=before, words=words))

    async def root(self, run: WorkflowHandle[Any, Any], *, words: str = "", seconds: float = 60) -> Message:
        """Wait for the root message of a run, and for the words it begins with, such as ``done``."""

        def is_root(message: Message) -> bool:
            origin = origin_of(message)
            is_its = origin.get("run_id") == run.run_id and "/csr/" not in str(origin.get("workflow_id"))
            return (
                is_its
                and message.get("thread_ts") in (None, "", message["ts"])
                and str(message.get("text")).startswith(words)
            )

        return await self.page.until_message(
            "erin", f"the root message begins with “{words}”", is_root, seconds=seconds
        )

    async def told_its_end(self, run: WorkflowHandle[Any, Any], *, seconds: float = 60) -> Message:
        """Wait for the last message of a run, which says its end in the thread."""

        def is_end(message: Message) -> bool:
            origin = origin_of(message)
            return origin.get("kind") == "say" and origin.get("key") == f"end:{run.run_id}"

        return await self.page.until_message("erin", "the thread says the end", is_end, seconds=seconds)

    # --- cards ---

    async def card(self, csr: str, *, action: str = "", seconds: float = 90) -> Message:
        """Wait for the newest card of a CSR, offering an action if one is named."""

        async def look() -> Message | None:
            cards = [
                m for m in await self.page.messages("ada") if f"/csr/{csr}/" in str(origin_of(m).get("workflow_id"))
            ]
            newest = cards[-1] if cards else None
            return newest if newest and (not action or action in actions_of(newest)) else None

        return await until(look, f"the card of {csr} offers {action or 'itself'}", seconds=seconds)

    def certify_run(self, card: Message) -> WorkflowHandle[Any, Any]:
        """Return the run behind a card."""
        origin = origin_of(card)
        return self.client.get_workflow_handle(origin["workflow_id"], run_id=origin["run_id"])

    async def certify(self, card: Message) -> CertifyStatus:
        """Return the state behind a card."""
        status: CertifyStatus = await self.certify_run(card).query(STATUS, result_type=CertifyStatus)
        return status

    async def approve(self, persona: str, card: Message) -> None:
        """Click Approve and wait until the certificate is issued."""
        answer = await self.page.click(persona, card, "approve")
        assert answer["ok"], f"the click was not taken: {answer}"
        await self.until_state(card, "issued")

    async def until_state(self, card: Message, state: str, *, seconds: float = 60) -> CertifyStatus:
        """Wait until a card's request is in a state."""

        async def look() -> CertifyStatus | None:
            status = await self.certify(card)
            return status if status.state == state else None

        return await until(look, f"{origin_of(card)['workflow_id']} is {state}", seconds=seconds)

    async def deny(self, persona: str, card: Message, reason: str) -> None:
        """Click Deny, write a reason into the dialog and submit it; wait until Kubernetes has it."""
        answer = await self.page.click(persona, card, "deny")
        assert answer["ok"], f"the click was not taken: {answer}"
        view = await self.page.until_view(persona, callback="deny_reason")
        answer = await self.page.submit(persona, view["id"], {"reason": {"reason": reason}})
        assert answer["ok"], f"the reason was not taken: {answer}"
        await self.until_state(card, "denied")

    async def refused(self, persona: str, card: Message, action: str, *, words: str) -> str:
        """Click something that must be refused; return the sentence that the person alone sees."""
        before = len(await self.page.ephemerals(persona))
        await self.page.click(persona, card, action)
        said = await self.page.until_ephemeral(persona, after=before, words=words)
        return str(said.get("text") or "")

    async def redrawn(self, card: Message, words: str, *, seconds: float = 30) -> Message:
        """Wait until a message that is there already says something."""
        return await self.page.until_message(
            "ada",
            f"the card of {origin_of(card).get('workflow_id')} says “{words}”",
            lambda m: m["ts"] == card["ts"] and words.lower() in text_of(m).lower(),
            seconds=seconds,
        )

    # --- processes ---

    async def restart(self, child: Child) -> None:
        """Kill a process with SIGKILL and start it again; wait until it serves."""
        child.kill()
        child.start()
        await child.wait_ready()

    # --- Kubernetes ---

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl as the cluster's administrator."""
        return self.stack.cluster.kubectl("-n", REF.namespace, *arguments, given=given)

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return all objects of a kind in the database's namespace."""
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-o", "json"))["items"]
        return items

    def csr_conditions(self) -> dict[str, str]:
        """Return what `kubectl get csr` calls CONDITION, by name."""
        rows = self.kubectl("get", "csr", "--no-headers").splitlines()
        return {row.split()[0]: row.split()[-1] for row in rows if row.strip()}

    def csr(self, name: str) -> dict[str, Any]:
        """Return a certificate signing request."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "csr", name, "-o", "json"))
        return found

    def sql(self, statement: str) -> str:
        """Run SQL through the client pod, as the procedure by hand does."""
        return self.kubectl(
            *("exec", CLIENT_POD, "--", "/cockroach/cockroach", "sql"),
            *("--certs-dir=/cockroach/cockroach-certs", "--host=cockroachdb-public", "-e", statement),
        )

    async def until_conditions(self, wanted: dict[str, str], *, seconds: float = 30) -> dict[str, str]:
        """Wait until CSRs have conditions."""

        async def look() -> dict[str, str] | None:
            found = self.csr_conditions()
            return found if all(found.get(name) == condition for name, condition in wanted.items()) else None

        return await until(look, f"kubectl shows {wanted}", seconds=seconds)


async def history_events(run: WorkflowHandle[Any, Any]) -> int:
    """Count the events of a run's history."""
    return len((await run.fetch_history()).events)


async def seconds_of(run: WorkflowHandle[Any, Any]) -> float:
    """Return how long a closed run took."""
    found = await run.describe()
    assert found.close_time is not None
    return (found.close_time - found.start_time).total_seconds()


def origin_of(message: Message) -> dict[str, Any]:
    """Return what the bot wrote into a message's metadata: which run it shows, and what of it."""
    found: dict[str, Any] = (message.get("metadata") or {}).get("event_payload") or {}
    return found


def since(begun: float) -> str:
    """Say how long something took."""
    return f"{time.monotonic() - begun:.1f} s"
