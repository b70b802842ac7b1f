"""The bot's settings, from the environment; each secret may also come from a file. Read by `bot.__main__` alone.

Where Temporal is stands in `gateway.settings`; clusters and roles in `crdbops.toml` (`domain.configuration`).
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.errors import InvalidRequestError


class BotSettings(BaseSettings):
    """`CRDBOPS_*` as far as the bot reads them."""

    model_config = SettingsConfigDict(env_prefix="CRDBOPS_", extra="ignore", frozen=True)

    config: Path = Field(default=Path("crdbops.toml"), description="the configuration file")
    slack_bot_token: SecretStr | None = Field(default=None, description="the bot's token (xoxb-…)")
    slack_bot_token_file: Path | None = Field(default=None, description="file that holds the bot's token")
    slack_transport: Literal["http", "socket"] = Field(
        default="http", description="how Slack reaches the bot: http (Slack calls it) or socket (it calls Slack)"
    )
    slack_app_token: SecretStr | None = Field(default=None, description="the app's own token (xapp-…), for socket")
    slack_app_token_file: Path | None = Field(default=None, description="file that holds the app's own token")
    slack_signing_secret: SecretStr | None = Field(default=None, description="by which Slack's requests are checked")
    slack_signing_secret_file: Path | None = Field(default=None, description="file that holds the signing secret")
    slack_api_url: str = Field(default="https://slack.com/api/", description="address of Slack's Web API")
    bot_host: str = Field(default="127.0.0.1", description="address to listen on for Slack's requests")
    bot_port: int = Field(default=3901, ge=0, le=65535, description="port to listen on; 0: any free one")
    token_key_file: Path | None = Field(default=None, description="Ed25519 private key (PEM) that signs decisions")
    token_kid: str = Field(default="", description="name of that key in the workers' key ring")

    def bot_token(self) -> str:
        """Return the bot's token.

        Raises:
            InvalidRequestError: `setting.missing`.
        """
        return _secret("SLACK_BOT_TOKEN", self.slack_bot_token, self.slack_bot_token_file, example="xoxb-…")

    def app_token(self) -> str:
        """Return the app's own token, which opens the socket; empty with http, which needs none.

        Raises:
            InvalidRequestError: `setting.missing`.
        """
        if self.slack_transport == "http":
            return ""
        return _secret("SLACK_APP_TOKEN", self.slack_app_token, self.slack_app_token_file, example="xapp-…")

    def signing_secret(self) -> str:
        """Return Slack's signing secret; with socket nothing is signed, and a secret that nobody knows stands in.

        Raises:
            InvalidRequestError: `setting.missing`.
        """
        if self.slack_transport == "socket":
            return secrets.token_hex(32)
        return _secret(
            "SLACK_SIGNING_SECRET", self.slack_signing_secret, self.slack_signing_secret_file, example="8f74…"
        )

    def token_key(self) -> bytes:
        """Return the PEM of the key that signs decisions.

        Raises:
            InvalidRequestError: `setting.missing`, `setting.unreadable`.
        """
        if self.token_key_file is None or not self.token_kid:
            raise InvalidRequestError(
                "setting.missing",
                "Found no key to sign decisions with, expected CRDBOPS_TOKEN_KEY_FILE and CRDBOPS_TOKEN_KID.",
                hint="openssl genpkey -algorithm ed25519 -out token.key; CRDBOPS_TOKEN_KID=2026-11",
            )
        return _read("TOKEN_KEY_FILE", self.token_key_file)

    def configuration_text(self) -> str:
        """Return the text of the configuration file.

        Raises:
            InvalidRequestError: `setting.unreadable`.
        """
        return _read("CONFIG", self.config).decode()


def _secret(name: str, value: SecretStr | None, file: Path | None, *, example: str) -> str:
    if file is not None:
        return _read(f"{name}_FILE", file).decode().strip()
    if value is None or not value.get_secret_value():
        raise InvalidRequestError(
            "setting.missing",
            f"Found no CRDBOPS_{name}, expected it or CRDBOPS_{name}_FILE.",
            hint=f"CRDBOPS_{name}={example}",
        )
    return value.get_secret_value()


def _read(name: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidRequestError(
            "setting.unreadable", f"CRDBOPS_{name}: found {file}, which cannot be read ({error.strerror})."
        ) from error
