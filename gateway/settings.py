"""Where Temporal is, from the environment. Only composition roots make one of these."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from operations.queues import NAMESPACE


class TemporalSettings(BaseSettings):
    """`CRDBOPS_TEMPORAL_*`."""

    model_config = SettingsConfigDict(env_prefix="CRDBOPS_TEMPORAL_", extra="ignore", frozen=True)

    address: str = Field(default="127.0.0.1:7233", description="host and port of Temporal's frontend")
    namespace: str = Field(default=NAMESPACE, description="Temporal namespace")
    ui_url: str = Field(default="http://127.0.0.1:8233", description="address of Temporal's Web UI, for links")
    tls_ca_file: Path | None = Field(default=None, description="CA of the server; TLS is used when any TLS file is set")
    tls_cert_file: Path | None = Field(default=None, description="client certificate for mutual TLS")
    tls_key_file: Path | None = Field(default=None, description="key of the client certificate")
