"""Kubernetes in memory whose StatefulSet rolls: revisions, partitions, images that cannot run, nodes by image.

What the StatefulSet controller does between two of our calls, with both pod management policies: one pod at a time from
the highest ordinal down to the partition; with OrderedReady nothing while any pod is not ready. `living` is the rest.
"""

from __future__ import annotations

from typing import Any

from activities import pods
from activities.manifests import labels
from activities.manifests.statefulset import DATABASE_CONTAINER
from activities.ports import Object
from domain.configuration import Configuration
from domain.model import CLIENT_POD, STATEFULSET, ClusterRef, NodeRef
from tests.fakes.living import LivingKubernetes

_REVISION = "controller-revision-hash"


class RollingKubernetes(LivingKubernetes):
    """A cluster that serves, and is rolled."""

    def __init__(self, configuration: Configuration, ref: ClusterRef) -> None:
        self.policy_of_pods = "Parallel"
        #: Images that no registry has, and images whose process ends at once.
        self.unpullable: set[str] = set()
        self.crashing: set[str] = set()
        #: Builds of images whose tag does not tell the truth.
        self.builds: dict[str, str] = {}
        #: Pods in the order in which they were removed.
        self.restarted: list[str] = []
        self._templates: dict[str, Object] = {}
        self._is_reconciling = False
        super().__init__(configuration, ref)

    def serve(self, *, policy: str = "Parallel") -> None:
        """A cluster that was deployed and initialized, with its client pod."""
        self.policy_of_pods = policy
        self._is_reconciling = True
        self.stand()
        self.nodes.serve()
        for ordinal in range(self.spec.nodes):
            self.nodes.join(ordinal + 1, ordinal)
            self._run(NodeRef(ordinal=ordinal).pod)
        self._is_reconciling = False

    def touch(self, change: dict[str, Any]) -> None:
        """Change fields of the StatefulSet's spec as somebody else would."""
        found = self.find("StatefulSet", STATEFULSET, namespace=self.ref.namespace)
        self.put({**found, "spec": {**found["spec"], **change}})

    def node_pod(self, ordinal: int) -> Object:
        """The pod of a node."""
        return self.find("Pod", NodeRef(ordinal=ordinal).pod, namespace=self.ref.namespace)

    def images(self) -> list[str]:
        """The tags that the node pods run, by ordinal."""
        found = (self.node_pod(ordinal) for ordinal in range(self.spec.nodes))
        return [pods.image(pod, DATABASE_CONTAINER).rpartition(":")[2] for pod in found]

    # --- what the machines do ---

    def put(self, item: Object) -> Object:
        if item["kind"] == "StatefulSet":
            item = self._seen(item)
        stored = super().put(item)
        self._reconcile()
        return stored

    def remove(self, kind: str, name: str, *, namespace: str = "") -> None:
        super().remove(kind, name, namespace=namespace)
        if kind == "Pod" and name != CLIENT_POD:
            self.restarted.append(name)
            self._down(name, "cannot dial server")
            self._reconcile()

    def _seen(self, item: Object) -> Object:
        """The StatefulSet as its controller has seen it: the template's revision, the one before kept as current."""
        revision = labels.spec_hash(item["spec"]["template"])[:10]
        self._templates[revision] = item["spec"]["template"]
        status = {"currentRevision": revision, **item.get("status", {}), "updateRevision": revision}
        spec = {**item["spec"], "podManagementPolicy": self.policy_of_pods}
        return {**item, "spec": spec, "status": status}

    def _reconcile(self) -> None:
        if self._is_reconciling or ("StatefulSet", self.ref.namespace, STATEFULSET) not in self.objects:
            return
        self._is_reconciling = True
        try:
            while self._step():
                pass
        finally:
            self._is_reconciling = False

    def _step(self) -> bool:
        """Do one thing as the controller would; False when it waits or has nothing to do."""
        found = self.find("StatefulSet", STATEFULSET, namespace=self.ref.namespace)
        partition = (found["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("partition", 0)
        newest = found["status"]["updateRevision"]
        here = {o: self.objects.get(("Pod", self.ref.namespace, NodeRef(ordinal=o).pod)) for o in self._all()}
        for ordinal, pod in here.items():
            if pod is None:
                self._make_node(NodeRef(ordinal=ordinal).pod, owner=found["metadata"]["uid"])
                return True
        ready = {ordinal: pod is not None and pods.is_ready(pod) for ordinal, pod in here.items()}
        if self.policy_of_pods == "OrderedReady" and not all(ready.values()):
            return False
        for ordinal in sorted(here, reverse=True):
            pod = here[ordinal]
            if ordinal < partition or pod is None:
                return False
            if pod["metadata"]["labels"][_REVISION] != newest:
                self.remove("Pod", pod["metadata"]["name"], namespace=self.ref.namespace)
                return True
            if not ready[ordinal]:
                return False
        return False

    def _all(self) -> range:
        found = self.find("StatefulSet", STATEFULSET, namespace=self.ref.namespace)
        return range(int(found["spec"]["replicas"]))

    def _make_node(self, name: str, *, owner: str) -> None:
        found = self.find("StatefulSet", STATEFULSET, namespace=self.ref.namespace)
        rolling = found["spec"]["updateStrategy"].get("rollingUpdate") or {}
        is_rolled = int(name.rpartition("-")[2]) >= rolling.get("partition", 0)
        revision = found["status"]["updateRevision" if is_rolled else "currentRevision"]
        template = self._templates[revision]
        self.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": self.ref.namespace,
                    "labels": {**template["metadata"]["labels"], _REVISION: revision},
                    "annotations": template["metadata"]["annotations"],
                    "ownerReferences": [{"kind": "StatefulSet", "name": STATEFULSET, "controller": True, "uid": owner}],
                },
                "spec": template["spec"],
                "status": {"phase": "Pending"},
            }
        )

    def _run(self, name: str) -> None:
        if name == CLIENT_POD:
            super()._run(name)
            return
        image = pods.image(self.find("Pod", name, namespace=self.ref.namespace), DATABASE_CONTAINER)
        if image in self.unpullable | self.crashing:
            self._fail(name, "ErrImagePull" if image in self.unpullable else "CrashLoopBackOff", image)
            return
        super()._run(name)
        ordinal = int(name.rpartition("-")[2])
        if self.nodes.members:
            self.nodes.states[ordinal] = "serving"
            build = self.builds.get(image, image.rpartition(":")[2])
            self.nodes.members[ordinal + 1] |= {"is_live": "true", "build": build}
            self._do("ready", lambda: self._ready(name))

    def _ready(self, name: str) -> None:
        self._set_status("Pod", name, {}, is_ready=True)
        self._reconcile()

    def _fail(self, name: str, reason: str, image: str) -> None:
        ended = {"lastState": {"terminated": {"exitCode": 1, "message": "store is too new"}}, "restartCount": 3}
        waiting = {"name": DATABASE_CONTAINER, "state": {"waiting": {"reason": reason, "message": f"no {image}"}}}
        status = {**waiting, **(ended if reason == "CrashLoopBackOff" else {})}
        self._set_status("Pod", name, {"containerStatuses": [status]}, is_ready=False)

    def _down(self, name: str, why: str) -> None:
        ordinal = int(name.rpartition("-")[2])
        self.nodes.states[ordinal] = why
        if ordinal + 1 in self.nodes.members:
            self.nodes.members[ordinal + 1]["is_live"] = "false"
