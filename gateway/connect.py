"""The one place where a Temporal client is made: data converter, failure converter, TLS, identity, bounded retry.

Everything that speaks to Temporal (bot, workers, CLI, tests, replayer) uses this data converter.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.runtime import Runtime
from temporalio.service import GrpcCompression, RPCError, TLSConfig

from domain.errors import TransientError
from gateway.settings import TemporalSettings

_log = logging.getLogger(__name__)

#: Failure texts travel as payloads too, so that a codec covers them.
DATA_CONVERTER: DataConverter = dataclasses.replace(
    pydantic_data_converter, failure_converter_class=DefaultFailureConverterWithEncodedAttributes
)
#: Messages of a few kilobytes to a server of the same network: packing them costs both sides more than it saves.
_COMPRESSION = GrpcCompression.NONE
#: Things may start in any order: this many tries, at most five seconds apart.
_ATTEMPTS = 20


def _tls(settings: TemporalSettings) -> TLSConfig | bool:
    files = (settings.tls_ca_file, settings.tls_cert_file, settings.tls_key_file)
    if not any(files):
        return False
    ca, cert, key = (path.read_bytes() if path else None for path in files)
    return TLSConfig(server_root_ca_cert=ca, client_cert=cert, client_private_key=key)


async def connect(
    settings: TemporalSettings, *, identity: str, runtime: Runtime | None = None, attempts: int = _ATTEMPTS
) -> Client:
    """Connect to Temporal, waiting for it to come up.

    Args:
        settings: Where it is.
        identity: Who we are in the history, such as ``slack-bot/2026.11.0``.
        runtime: The process's runtime, when it has one of its own (metrics, log forwarding).
        attempts: How often to try before giving up.

    Raises:
        TransientError: `temporal.unreachable`, after the last try.
    """
    for attempt in range(1, attempts + 1):
        try:
            return await Client.connect(
                settings.address,
                namespace=settings.namespace,
                data_converter=DATA_CONVERTER,
                identity=identity,
                runtime=runtime,
                tls=_tls(settings),
                grpc_compression=_COMPRESSION,
            )
        except (RPCError, RuntimeError) as error:
            if attempt == attempts:
                raise TransientError(
                    "temporal.unreachable",
                    f"Found no Temporal at {settings.address}, expected its frontend ({error}).",
                    hint="CRDBOPS_TEMPORAL_ADDRESS=127.0.0.1:7233",
                ) from error
            _log.info("waiting for temporal", extra={"address": settings.address, "attempt": attempt})
            await asyncio.sleep(min(0.25 * attempt, 5))
    raise AssertionError("unreachable")
