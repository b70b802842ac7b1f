"""The whole local world: Kubernetes, Temporal, signer, ops, bot and console, brought up and taken down in order.

Everything is real but two stand-ins: the database node (`devtools/cockroach`) and Slack (`devtools/console`). The
processes are the production ones; only addresses, tokens and image names differ. Demo, scenarios and end-to-end tests
use this and nothing else.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from temporalio.client import Client

from activities.manifests.installation import OPS, SIGNER
from devtools.cluster import Cluster
from devtools.installed import install, load_images, remove
from devtools.keys import KID, RING, configuration_text, make_slack_secrets, make_token_keys
from devtools.page import Page
from devtools.processes import Child, free_port
from devtools.temporal import TemporalServer
from domain.configuration import parse_configuration
from domain.model import ClusterRef
from gateway.connect import connect
from gateway.settings import TemporalSettings
from tokens.keyring import KeyRing

ROOT = Path(__file__).resolve().parent.parent
SITE = "dev"
VERSION = "v25.2.3"
Transport = Literal["http", "socket"]
REF = ClusterRef(site=SITE, namespace="crdb", cluster="crdb")


class Stack:
    """One local world in one folder.

    Args:
        folder: Configuration, keys, logs and Temporal's database; made new by `up`.
        name: The dev cluster's name.
        say: Gets one line of progress at a time.
        settings: More TOML for `crdbops.toml`.
        console_port: Of the page; 0 takes a free one.
        ui_port: Of Temporal's Web UI; 0 takes a free one.
        transport: How the console reaches the bot: by HTTP, or over the bot's own socket.
        cluster: A dev cluster that is up, of whoever takes it down: what was installed there before is removed first.
            None: one of this world's own.
        nodes: How many nodes a dev cluster of this world's own has.
        versions: Releases of the database that can be upgraded to, beside `VERSION`, which is the configured one.
        begun: Monotonic time from which progress counts its seconds; None: now.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        say: Callable[[str], None] = lambda line: None,
        settings: str = "",
        console_port: int = 0,
        ui_port: int = 0,
        transport: Transport = "http",
        cluster: Cluster | None = None,
        nodes: int = 1,
        versions: tuple[str, ...] = (),
        begun: float | None = None,
    ) -> None:
        self.transport: Transport = transport
        self.folder, self._name, self._say, self._settings = folder, name, say, settings
        self._console_port, self._ui_port = console_port or free_port(), ui_port or free_port()
        self._versions = versions
        self._is_guest = cluster is not None
        self.cluster = cluster or Cluster(
            name, state_dir=folder / "cluster", nodes=nodes, report=lambda line: say(f"  {line}")
        )
        self.temporal = TemporalServer(folder / "temporal", port=free_port(), ui_port=self._ui_port)
        self.children: dict[str, Child] = {}
        self._begun = time.monotonic() if begun is None else begun

    @property
    def console_url(self) -> str:
        """Address of the page to type and click in."""
        return f"http://127.0.0.1:{self._console_port}"

    @property
    def ops(self) -> Child:
        """The ops worker."""
        return self.children["ops"]

    @property
    def signer(self) -> Child:
        """The signer."""
        return self.children["signer"]

    @property
    def bot(self) -> Child:
        """The bot."""
        return self.children["bot"]

    @property
    def page(self) -> Page:
        """A driver of the console's page."""
        return Page(self.console_url)

    @property
    def ring(self) -> KeyRing:
        """The public keys with which the workers check what people decide."""
        return KeyRing.parse((self.folder / RING).read_text())

    async def client(self) -> Client:
        """Connect to Temporal as the processes do."""
        settings = TemporalSettings(address=self.temporal.address)
        return await connect(settings, identity="local-world")

    async def up(self) -> None:
        """Bring everything up; what an earlier world of this folder left is taken down first."""
        await asyncio.to_thread(self._clear)
        await asyncio.gather(self._ready_cluster(), self.temporal.start())
        self._tell(f"Temporal: {self.temporal.address}, Web UI {self.temporal.ui_url}")
        await asyncio.to_thread(self._install)
        self._make_children()
        for child in self.children.values():
            child.start()
        for child in self.children.values():
            await child.wait_ready()
            self._tell(f"{child.name}: runs, pid {child.pid}")

    async def down(self) -> None:
        """Take everything down, in the opposite order; the folder with its logs stays."""
        await asyncio.to_thread(self._take_down)

    def forget(self) -> None:
        """Remove the folder with everything in it, after `down`."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _take_down(self) -> None:
        for child in reversed(list(self.children.values())):
            child.stop()
            self._tell(f"{child.name}: stopped")
        self.temporal.stop()
        self._tell("Temporal: stopped")
        if not self._is_guest:
            self.cluster.down(purge=True)
            self._tell("Kubernetes: gone")

    def _clear(self) -> None:
        if not self._is_guest:
            self.cluster.down(purge=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    async def _ready_cluster(self) -> None:
        if self._is_guest:
            await asyncio.to_thread(remove, self.cluster)
            self._tell("Kubernetes: empty")
            return
        self._tell("Kubernetes: starting (the first time it is built, about ten minutes)")
        await asyncio.to_thread(self.cluster.up)
        self._tell(f"Kubernetes: {self.cluster.server}")

    def _install(self) -> None:
        agent, database = load_images(self.cluster, version=VERSION, more=self._versions, say=self._tell)
        text = configuration_text(agent_image=agent, database_image=database, version=VERSION, settings=self._settings)
        (self.folder / "crdbops.toml").write_text(text)
        install(self.cluster, parse_configuration(text), site=SITE, folder=self.folder)
        self._tell("identities: ops and signer, each with its own rights")

    def _make_children(self) -> None:
        token_key, ring = make_token_keys(self.folder)
        signing_secret, bot_token, app_token = make_slack_secrets(self.folder)
        bot_port = free_port()
        common = {
            "CRDBOPS_CONFIG": str(self.folder / "crdbops.toml"),
            "CRDBOPS_TEMPORAL_ADDRESS": self.temporal.address,
            "CRDBOPS_TEMPORAL_UI_URL": self.temporal.ui_url,
            "PYTHONPATH": str(ROOT),
        }
        for role, identity in (("signer", SIGNER), ("ops", OPS)):
            health = free_port()
            self._add(
                role,
                [sys.executable, str(ROOT / "worker.py"), "--role", role],
                common
                | {
                    "CRDBOPS_SITE": SITE,
                    "CRDBOPS_KEY_RING_FILE": str(ring),
                    f"CRDBOPS_{role.upper()}_KUBECONFIG": str(self.folder / f"{identity}.kubeconfig"),
                    "CRDBOPS_HEALTH_PORT": str(health),
                },
                f"http://127.0.0.1:{health}/readyz",
            )
        self._add(
            "console",
            [
                *(sys.executable, "-m", "devtools.console", "--port", str(self._console_port)),
                *("--bot-url", f"http://127.0.0.1:{bot_port}/slack/events", "--transport", self.transport),
            ],
            {
                "CONSOLE_SIGNING_SECRET": signing_secret.read_text(),
                "CONSOLE_BOT_TOKEN": bot_token.read_text(),
                "CONSOLE_APP_TOKEN": app_token.read_text(),
                "PYTHONPATH": str(ROOT),
            },
            f"{self.console_url}/_page/state?persona=erin",
        )
        self._add(
            "bot",
            [sys.executable, "-m", "bot"],
            common
            | {
                "CRDBOPS_SLACK_TRANSPORT": self.transport,
                "CRDBOPS_SLACK_BOT_TOKEN_FILE": str(bot_token),
                "CRDBOPS_SLACK_APP_TOKEN_FILE": str(app_token),
                "CRDBOPS_SLACK_SIGNING_SECRET_FILE": str(signing_secret),
                "CRDBOPS_SLACK_API_URL": f"{self.console_url}/api/",
                "CRDBOPS_TOKEN_KEY_FILE": str(token_key),
                "CRDBOPS_TOKEN_KID": KID,
                "CRDBOPS_BOT_HOST": "127.0.0.1",
                "CRDBOPS_BOT_PORT": str(bot_port),
            },
            f"http://127.0.0.1:{bot_port}/readyz",
        )

    def _add(self, name: str, arguments: list[str], environment: dict[str, str], ready_url: str) -> None:
        self.children[name] = Child(name, arguments, environment, folder=self.folder, ready_url=ready_url)

    def _tell(self, line: str) -> None:
        self._say(f"[{time.monotonic() - self._begun:5.1f} s] {line}")
