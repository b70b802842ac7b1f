"""The dev cluster: a real Kubernetes of one node or several on this machine, in namespaces of its own.

`Cluster` is the handle for tests and scripts, `python -m devtools.cluster` the same for people. The programs of
a node are built from released Go modules (`go/`); containerd, runc and the network plugins are the
distribution's packages. What runs in the cluster is not made here: images are `devtools/images`' matter, the
product's objects are `activities/manifests`'.
"""

from devtools.cluster.cluster import Cluster
from devtools.cluster.errors import ClusterError, UnsupportedMachineError
from devtools.cluster.status import LoadedImage, NodeStatus, Status

__all__ = ["Cluster", "ClusterError", "LoadedImage", "NodeStatus", "Status", "UnsupportedMachineError"]
