"""The worker's settings, from the environment. Only its composition root makes one of these.

Where Temporal is stands in `gateway.settings`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """`CRDBOPS_*` of `worker.py`."""

    model_config = SettingsConfigDict(env_prefix="CRDBOPS_", extra="ignore", frozen=True)

    config: Path = Field(default=Path("crdbops.toml"), description="path of crdbops.toml")
    site: str = Field(description="the site that this worker serves, as crdbops.toml names it")
    ops_kubeconfig: Path | None = Field(default=None, description="kubeconfig of the identity crdbops-ops (role ops)")
    signer_kubeconfig: Path | None = Field(
        default=None, description="kubeconfig of the identity crdbops-signer (role signer)"
    )
    key_ring_file: Path = Field(
        default=Path("key-ring.json"), description="public keys by which decision tokens are checked"
    )
    health_port: int = Field(default=0, description="port of /healthz and /readyz on loopback; 0: none")
