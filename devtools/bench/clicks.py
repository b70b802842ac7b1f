"""From a click to a certificate that can be read in Kubernetes, against the bare cost in the same run.

The bare cost: a click's one Temporal update with two activities, and the same calls to the API server (two reads, the
approval, the status), with a certificate made by the same library; nothing is checked.

When it can be read is found out in one of two ways, the same for both sides: by asking all the time (`asked`), which
keeps the processors of a small machine busy, or by a watch (`watched`), which leaves them to what is measured.
"""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from temporalio import activity
from temporalio.worker import Worker

from activities.clients.api import Api, path
from devtools.bench.bare import QUEUE, BareWorkflow
from devtools.page import Message
from devtools.scenarios.driver import Driver

_KIND = "CertificateSigningRequest"


#: Waits until a CSR carries its certificate; returns when that was seen.
Seen = Callable[[Api, str], Awaitable[float]]
#: A watch is open after this.
_OPENED_SECONDS = 0.2


async def asked(api: Api, name: str) -> float:
    """Ask every five milliseconds."""
    while True:
        found = await api.get(path(_KIND, name=name))
        if found and found.get("status", {}).get("certificate"):
            return time.monotonic()
        await asyncio.sleep(0.005)


async def watched(api: Api, name: str) -> float:
    """Watch it."""
    async for _, csr in api.watch(path(_KIND), query={"fieldSelector": f"metadata.name={name}"}):
        if csr.get("status", {}).get("certificate"):
            return time.monotonic()
    raise RuntimeError(f"CSR {name}: the watch ended, expected a certificate within its time")


async def _begun(api: Api, name: str, seen: Seen) -> tuple[asyncio.Task[float], float]:
    task = asyncio.ensure_future(seen(api, name))
    if seen is watched:
        await asyncio.sleep(_OPENED_SECONDS)
    return task, time.monotonic()


async def by_us(driver: Driver, api: Api, card: Message, csr: str, *, seen: Seen) -> float:
    """Click Approve; return the milliseconds until the certificate can be read."""
    task, begun = await _begun(api, csr, seen)
    await driver.page.click("ada", card, "approve")
    return (await task - begun) * 1000


@dataclass
class _Bare:
    api: Api
    key: ec.EllipticCurvePrivateKey

    @activity.defn(name="bare.approve")
    async def approve(self, name: str) -> None:
        """Read and approve."""
        csr = await self.api.get(path(_KIND, name=name))
        assert csr is not None
        condition = {"type": "Approved", "status": "True", "reason": "Bare", "message": "bare"}
        csr["status"] = {"conditions": [condition]}
        await self.api.call("PUT", path(_KIND, name=name, subresource="approval"), body=csr)

    @activity.defn(name="bare.sign")
    async def sign(self, name: str) -> None:
        """Read, sign and write."""
        csr = await self.api.get(path(_KIND, name=name))
        assert csr is not None
        request = x509.load_pem_x509_csr(base64.b64decode(csr["spec"]["request"]))
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bare")]))
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=365))
        )
        pem = builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        csr["status"]["certificate"] = base64.b64encode(pem).decode()
        await self.api.call("PUT", path(_KIND, name=name, subresource="status"), body=csr)


async def bare(driver: Driver, api: Api, *, count: int, seen: Seen) -> list[float]:
    """Return the milliseconds of some bare rounds, sorted."""
    served = _Bare(api, ec.generate_private_key(ec.SECP256R1()))
    found: list[float] = []
    async with Worker(
        driver.client, task_queue=QUEUE, workflows=[BareWorkflow], activities=[served.approve, served.sign]
    ):
        for _ in range(count):
            name = f"bare-{uuid.uuid4().hex[:8]}"
            await api.call("POST", path(_KIND), body=request_object(name, signer="example.invalid/bare"))
            handle = await driver.client.start_workflow(BareWorkflow.run, id=name, task_queue=QUEUE)
            task, begun = await _begun(api, name, seen)
            await handle.execute_update(BareWorkflow.approve, name)
            found.append((await task - begun) * 1000)
            await handle.result()
            await api.call("DELETE", path(_KIND, name=name))
    return sorted(found)


def request_object(name: str, *, signer: str) -> dict[str, Any]:
    """Return a CSR as a node would ask for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cockroach"), x509.NameAttribute(NameOID.COMMON_NAME, "node")]
    )
    pem = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": _KIND,
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": signer,
            "usages": ["digital signature", "key encipherment", "client auth"],
        },
    }
