"""Several releases of the database in one dev cluster, side by side."""

import pytest

from devtools.cluster import Cluster
from devtools.images import database_image
from devtools.installed import load_images
from tests.cluster.objects import apply, restricted_pod

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

RELEASES = ("v25.2.3", "v25.2.4", "v25.4.1")


def test_pods_of_each_release_that_a_world_names_print_their_own(cluster: Cluster, namespace: str) -> None:
    said: list[str] = []
    _, database = load_images(cluster, version=RELEASES[0], more=RELEASES[1:], say=said.append)
    again = [image.was_imported for one in RELEASES for image in cluster.load_image(database_image(one).archive)]

    for release in RELEASES:
        pod = restricted_pod(namespace, release.replace(".", "-"), claim_name="none")
        (main,) = pod["spec"]["containers"]
        main |= {"image": f"{database}:{release}", "args": ["version", "--build-tag"], "volumeMounts": []}
        pod["spec"] |= {"volumes": [], "restartPolicy": "Never"}
        apply(cluster, pod)
    cluster.kubectl(
        "wait", "--for=jsonpath={.status.phase}=Succeeded", "pods", "--all", f"--namespace={namespace}", "--timeout=60s"
    )

    printed = [
        cluster.kubectl("logs", release.replace(".", "-"), f"--namespace={namespace}").strip() for release in RELEASES
    ]
    assert printed == list(RELEASES)
    assert [line for line in said if "cockroach" in line] == [f"image: {database}:{release}" for release in RELEASES]
    assert again == [False, False, False]
