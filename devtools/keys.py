"""Keys, secrets and `crdbops.toml` of a local world, made fresh into its folder.

A real installation makes the same with `openssl` (docs/how-to/install.md); nothing here is shipped or reused.
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

KID = "local"
RING = "key-ring.json"


def write_secret(path: Path, text: str) -> Path:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
    return path


def make_token_keys(folder: Path) -> tuple[Path, Path]:
    """Make the bot's signing key and the ring with its public half; return both paths."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    now = datetime.now(UTC)
    ring = {
        "keys": [
            {
                "kid": KID,
                "public_key": public,
                "not_before": (now - timedelta(hours=1)).isoformat(),
                "not_after": (now + timedelta(days=30)).isoformat(),
            }
        ]
    }
    ring_path = folder / RING
    ring_path.write_text(json.dumps(ring, indent=2))
    return write_secret(folder / "token.key", private), ring_path


def make_slack_secrets(folder: Path) -> tuple[Path, Path, Path]:
    """Make a signing secret, a bot token and an app token for bot and console; return the three paths."""
    signing = write_secret(folder / "slack-signing-secret", secrets.token_hex(16))
    token = write_secret(folder / "slack-bot-token", f"xoxb-local-{secrets.token_hex(12)}")
    app = write_secret(folder / "slack-app-token", f"xapp-local-{secrets.token_hex(12)}")
    return signing, token, app


def configuration_text(*, agent_image: str, database_image: str, version: str, settings: str = "") -> str:
    """Return the `crdbops.toml` of the local world: one site, one cluster, the console's people.

    Args:
        agent_image: Ours, with its tag.
        database_image: The database's, without a tag.
        version: Its release, which is the tag.
        settings: More TOML, such as shorter approvals.
    """
    return f"""\
# Made for a local world; a commented example is deploy/crdbops.example.toml.
team = "T0CRDB"

[images]
agent = "{agent_image}"
database = "{database_image}"

[sites.dev]

[clusters.crdb]
site = "dev"
namespace = "crdb"
channel = "C0OPS"
nodes = 3
version = "{version}"
storage = "256Mi"
storage_class = "crdbops-local"
cpu = "350m"
memory = "256Mi"

[roles.operator]
groups = ["S0OPERATORS"]

[roles.approver]
groups = ["S0APPROVERS"]
{settings}"""
