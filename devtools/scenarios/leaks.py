"""Looks for every secret of a local world in all that people can read: histories, logs, chat, Kubernetes objects.

`check_for_leaks` is called at the end of a story, when all of it has been written. Before it looks, it plants a key and
a token of its own in each kind of place: a search that does not find those would prove nothing.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf.json_format import MessageToJson

from devtools.page import until
from devtools.scenarios.driver import CLIENT_POD, NODES, Driver
from devtools.scenarios.secrets_of_run import Secret, secrets_of

_PERSONAS = ("erin", "ada", "abe", "vic")
#: Kinds of objects that people read with kubectl; Secrets are where keys belong.
_KINDS = "csr,configmaps,pods,statefulsets,events,serviceaccounts,persistentvolumeclaims"
#: What breaks a PEM into lines, in a file or inside of JSON, once or twice.
_BREAKS = re.compile(rb"\s|\\+n")


@dataclass(frozen=True)
class Place:
    """One thing that was read: what kind, its name, and its bytes."""

    kind: str
    name: str
    content: bytes


@dataclass(frozen=True)
class Leak:
    """A secret that stands where it must not."""

    secret: str
    kind: str
    place: str


async def check_for_leaks(driver: Driver) -> dict[str, int]:
    """Look for every secret everywhere; return how much was looked for and looked at.

    Raises:
        AssertionError: A secret was found, or what was planted was not.
    """
    looked_for = await asyncio.to_thread(secrets_of, driver)
    canaries = await _plant(driver)
    places = [place async for place in _places(driver)]
    planted, leaks = await asyncio.to_thread(lambda: (search(places, canaries), search(places, looked_for)))
    for canary in canaries:
        missed = {"history", "log", "chat"} - {leak.kind for leak in planted if leak.secret == canary.name}
        assert not missed, f"the search is blind: {canary.name} was planted and not found in {sorted(missed)}"
    assert not leaks, f"secrets leaked: {leaks}"
    return {"secrets": len(looked_for), "places": len(places), "bytes": sum(len(place.content) for place in places)}


def search(places: Iterable[Place], looked_for: Iterable[Secret]) -> list[Leak]:
    """Return where secrets stand, in whatever spelling: plain, hex, or base64 at any offset and with line breaks."""
    needles = {(secret.name, spelling) for secret in looked_for for spelling in spellings(secret)}
    found: set[Leak] = set()
    for place in places:
        joined = _BREAKS.sub(b"", place.content)
        found |= {
            Leak(name, place.kind, place.name)
            for name, needle in needles
            if needle in place.content or needle in joined
        }
    return sorted(found, key=lambda leak: (leak.secret, leak.kind, leak.place))


def spellings(secret: Secret) -> Iterator[bytes]:
    """Yield every byte string whose presence gives the secret away."""
    for part in secret.parts:
        yield part
        yield part.hex().encode()
        yield part.hex().upper().encode()
        for once in _base64_at_any_offset(part):
            yield once
            yield once.replace(b"+", b"-").replace(b"/", b"_")
            # As in a payload of JSON, or in a Secret's data: a text of base64 that was encoded once more.
            yield from _base64_at_any_offset(once)


def _base64_at_any_offset(part: bytes) -> Iterator[bytes]:
    """Yield the base64 of bytes that stand at any place of a longer text, without what depends on the neighbours."""
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + part)
        begin = -(-shift * 8 // 6)
        end = (shift + len(part)) * 8 // 6
        yield whole[begin:end]


async def _plant(driver: Driver) -> list[Secret]:
    """Put a key and a token of nobody into a history, a log and the chat."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    token = f"planted-{secrets.token_hex(16)}"
    handle = await driver.client.start_workflow(
        "Planted", {"key": pem, "token": token}, id=f"planted/{secrets.token_hex(4)}", task_queue="nobody-serves-this"
    )
    await handle.terminate("planted to prove that the search finds it")

    async def listed() -> bool:
        return handle.id in [run.id async for run in driver.client.list_workflows(f"WorkflowId = '{handle.id}'")]

    await until(listed, "Temporal lists what was planted", seconds=30)
    line = json.dumps({"event": "planted", "key": base64.b64encode(pem.encode()).decode(), "token": token})
    (driver.stack.folder / "planted.log").write_text(line + "\n")
    await driver.page.command("vic", f"/crdb help {token} {''.join(pem.splitlines()[1:-1])}")
    return [Secret.of_key("the planted key", pem), Secret.of_text("the planted token", token)]


async def _places(driver: Driver) -> AsyncIterator[Place]:
    async for run in driver.client.list_workflows():
        handle = driver.client.get_workflow_handle(run.id, run_id=run.run_id)
        async for event in handle.fetch_history_events():
            # The bytes hold every payload as it is; the JSON is what the Web UI and an export show.
            yield Place("history", f"{run.id} event {event.event_id}", event.SerializeToString())
            yield Place("history", f"{run.id} event {event.event_id} (JSON)", MessageToJson(event).encode())
    for path in sorted(driver.stack.folder.rglob("*.log*")):
        if path.is_file():
            yield Place("log", str(path.relative_to(driver.stack.folder)), path.read_bytes())
    for pod in (*NODES, CLIENT_POD):
        said = await asyncio.to_thread(driver.kubectl, "logs", pod, "--all-containers")
        yield Place("log", f"kubectl logs {pod}", said.encode())
    for path in sorted((driver.stack.folder / "temporal").glob("temporal.db*")):
        yield Place("database", path.name, path.read_bytes())
    for path in driver.stack.folder.glob("*.toml"):
        yield Place("file", path.name, path.read_bytes())
    objects = await asyncio.to_thread(driver.stack.cluster.kubectl, "get", _KINDS, "-A", "-o", "json")
    yield Place("objects", _KINDS, objects.encode())
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{driver.stack.console_url}/_page/calls") as answer:
            yield Place("chat", "calls of the Web API and deliveries", await answer.read())
        for persona in _PERSONAS:
            async with session.get(f"{driver.stack.console_url}/_page/state", params={"persona": persona}) as answer:
                yield Place("chat", f"what {persona} sees", await answer.read())
