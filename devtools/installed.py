"""What an installation puts on a dev cluster: images, namespaces, the two identities; and how all of it is taken away.

Which objects those are is `activities.manifests.installation`'s; the cluster itself is `devtools.cluster`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from activities.manifests.installation import OPS, SIGNER, installation
from activities.manifests.labels import MANAGED_BY
from devtools.cluster import Cluster
from devtools.images import agent_image, database_image
from domain.configuration import Configuration

_OURS = f"app.kubernetes.io/managed-by={MANAGED_BY}"


def load_images(
    cluster: Cluster, *, version: str, say: Callable[[str], None], more: Sequence[str] = ()
) -> tuple[str, str]:
    """Load the agent's and the database's image; return their references, the database's without its tag.

    Args:
        cluster: Where to.
        version: Release of the database.
        say: Gets one line for each image.
        more: Releases that are to be had as well, for an upgrade.
    """
    agent, *databases = agent_image(), *(database_image(one) for one in dict.fromkeys((version, *more)))
    for image in (agent, *databases):
        cluster.load_image(image.archive)
        say(f"image: {image.ref}")
    return agent.ref, databases[0].ref.rpartition(":")[0]


def install(cluster: Cluster, configuration: Configuration, *, site: str, folder: Path) -> None:
    """Apply what an administrator applies, and write a kubeconfig for each identity into a folder."""
    objects = {"apiVersion": "v1", "kind": "List", "items": installation(configuration, site)}
    cluster.kubectl("apply", "--server-side", "-f", "-", given=json.dumps(objects))
    namespace = configuration.sites[site].system_namespace
    for name in (OPS, SIGNER):
        cluster.service_account_kubeconfig(namespace, name, folder / f"{name}.kubeconfig")


def remove(cluster: Cluster) -> None:
    """Take away every namespace, request and right of ours, with the databases in them; waits until they are gone."""
    found = json.loads(cluster.kubectl("get", "namespaces", "-l", _OURS, "-o", "json"))
    namespaces = [item["metadata"]["name"] for item in found["items"]]
    if namespaces:
        # First the namespaces, so that nothing is made anew in them, then the pods at once: there is nothing to drain.
        cluster.kubectl("delete", "namespace", *namespaces, "--wait=false")
        for name in namespaces:
            cluster.kubectl("-n", name, "delete", "pods", "--all", "--now", "--wait=false")
    cluster.kubectl("delete", "clusterroles,clusterrolebindings", "-l", _OURS)
    cluster.kubectl("delete", "certificatesigningrequests", "--all")
    if namespaces:
        names = [f"namespace/{name}" for name in namespaces]
        cluster.kubectl("wait", "--for=delete", *names, "--timeout=120s")
