"""A Kubernetes of its own for the contract tests, with the installation applied; started only when one is asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from activities.clients.api import Api
from activities.clients.kube import connect
from activities.manifests.installation import OPS, SIGNER, installation
from devtools.cluster import Cluster
from tests.activities.world import World


class Site:
    """A real API server and kubeconfigs of the identities that the installation makes."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        lifetime = timedelta(hours=1)
        self.ops = cluster.service_account_kubeconfig("crdbops-system", OPS, folder / "ops", lifetime=lifetime)
        self.signer = cluster.service_account_kubeconfig("crdbops-system", SIGNER, folder / "signer", lifetime=lifetime)

    def pod_identity(self, pod: str, *, account: str, uid: str) -> Path:
        """A kubeconfig with the token that the kubelet would project into a pod: bound to it."""
        bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}", f"--bound-object-uid={uid}")
        token = self.cluster.kubectl("-n", "crdb", "create", "token", account, *bound).strip()
        config = json.loads(self.ops.read_text(encoding="utf-8"))
        config["users"][0]["user"] = {"token": token}
        path = self.folder / pod
        path.touch(mode=0o600)
        path.write_text(json.dumps(config), encoding="utf-8")
        return path


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("contract")
    cluster = Cluster("contract", state_dir=folder / "cluster", report=lambda _line: None)
    try:
        cluster.up()
        items = installation(World().configuration, "here")
        cluster.kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        yield Site(cluster, folder)
    finally:
        cluster.down(purge=True)


@pytest.fixture
async def ops(site: Site) -> AsyncIterator[Api]:
    async with await connect(site.ops) as api:
        yield api


@pytest.fixture
async def signer(site: Site) -> AsyncIterator[Api]:
    async with await connect(site.signer) as api:
        yield api
