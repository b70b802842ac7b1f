"""Configuration files and command lines of a node's programs. Pure: from a layout to texts and arguments.

`startup.py` writes them, `node.py` (the node's first process) runs them in the order given by `needs`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from devtools.cluster.layout import (
    API_PORT,
    CLUSTER_DOMAIN,
    DNS_ADDRESS,
    NODE_ADDRESS,
    NODE_NETWORK_PREFIX,
    PAUSE_IMAGE,
    POD_NETWORK,
    PROVISIONER,
    SERVICE_NETWORK,
    Layout,
)

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
RELAY_FD = 3  # where the node's first process puts the listening socket for the relay
ISSUER = f"https://kubernetes.default.svc.{CLUSTER_DOMAIN}"

LOCAL_API, API = f"https://127.0.0.1:{API_PORT}", f"https://{NODE_ADDRESS}:{API_PORT}"


@dataclass(frozen=True)
class Program:
    """One process of the node, started again when it ends; it may need "api" and "images" to be there."""

    name: str
    argv: list[str]
    needs: tuple[str, ...] = ()
    keeps_socket: bool = False


def kubeconfigs(layout: Layout) -> dict[str, tuple[str, str]]:
    """Who asks the API server and where from, by file name: the certificate's name and the address.

    Kubelet and proxy ask by the first node's address, there too, as on a node of their own.
    """
    every = {"proxy": ("proxy", API), "kubelet-client": (layout.pair("kubelet-client"), API)}
    control = {name: (name, LOCAL_API) for name in ("controller-manager", "scheduler", "provisioner")}
    return every | control if layout.is_first else every


def files(layout: Layout) -> dict[str, str]:
    """Content of every file below the `conf` folder but the plan, by name."""
    return {
        "cni/10-pods.conflist": json.dumps(_network(layout), indent=1),
        "containerd.toml": _containerd(layout),
        "kubelet.json": json.dumps(_kubelet(layout), indent=1),
        "kube-proxy.json": json.dumps(_proxy(layout), indent=1),
    }


def plan(layout: Layout, *, program: Path, pause_archive: Path, socket_fd: int | None = None) -> dict[str, Any]:
    """What `node.py` reads; the listening socket is the first node's alone."""
    return {
        "hostname": layout.node,
        "is_first": layout.is_first,
        "address": f"{layout.address}/{NODE_NETWORK_PREFIX}",
        # To the pods of every node that there could be, so that one may join later.
        "routes": [f"{each.pod_network} via {each.address}" for each in layout.all() if each != layout],
        "state": str(layout.root),
        "socket_fd": socket_fd,
        "relay_fd": RELAY_FD,
        "api": {
            "address": NODE_ADDRESS,
            "port": API_PORT,
            **{name: str(layout.pki / name) for name in ("ca.crt", "admin.crt", "admin.key")},
        },
        "containerd": CONTAINERD_SOCKET,
        "images": [str(pause_archive)],
        "programs": [asdict(each) for each in programs(layout, program=program)],
    }


def _network(layout: Layout) -> dict[str, Any]:
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": layout.pod_network}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    # A reboot of the node frees all addresses: this folder is on the node's own /run.
                    "dataDir": "/run/cni-addresses",
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _containerd(layout: Layout) -> str:
    disabled = ["internal.v1.opt", *(f"snapshotter.v1.{name}" for name in ("btrfs", "zfs", "devmapper", "aufs"))]
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = {json.dumps(["io.containerd." + name for name in disabled])}
[grpc]
  address = "{CONTAINERD_SOCKET}"
[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  # Root without CAP_SYS_RESOURCE, as in some virtual machines, may not lower the score and runc would die of it.
  restrict_oom_score_adj = true
  [{cri}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{layout.conf / "cni"}"
  [{cri}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [{cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def _kubelet(layout: Layout) -> dict[str, Any]:
    # How full the machine's disk is is not the cluster's to say, and an image that cannot be pulled again must stay.
    never = dict.fromkeys(("nodefs.available", "imagefs.available", "nodefs.inodesFree", "imagefs.inodesFree"), "0%")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": layout.cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [DNS_ADDRESS],
        "resolvConf": "",  # else the machine's file goes into pods
        "address": "0.0.0.0",
        "tlsCertFile": str(layout.pki / f"{layout.pair('kubelet-server')}.crt"),
        "tlsPrivateKeyFile": str(layout.pki / f"{layout.pair('kubelet-server')}.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "enforceNodeAllocatable": ["pods"],
        "evictionHard": {"memory.available": "64Mi", **never},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 8,
        # Kubernetes' own minute is how late a changed Secret or ConfigMap would reach a running pod.
        "syncFrequency": "10s",
    }


def _proxy(layout: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": POD_NETWORK,
        "bindAddress": "0.0.0.0",
        # Zero: the machine's connection-tracking limits are left alone.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "clientConnection": {"kubeconfig": str(layout.conf / "proxy.kubeconfig")},
    }


def programs(layout: Layout, *, program: Path) -> list[Program]:
    """Every process of the node in the order of starting."""
    conf = layout.conf
    return [
        Program("containerd", ["containerd", "-c", str(conf / "containerd.toml")]),
        *(_control_plane(layout, program=program) if layout.is_first else []),
        Program(
            "kubelet",
            [
                *(str(program), "kubelet", f"--config={conf}/kubelet.json"),
                f"--kubeconfig={conf}/kubelet-client.kubeconfig",
                f"--hostname-override={layout.node}",
                f"--node-ip={layout.address}",
                "--root-dir=/var/lib/kubelet",
            ],
            # Beside the API server it tries until it is there; from another node each try would come later.
            needs=("images",) if layout.is_first else ("images", "api"),
        ),
        Program(
            "kube-proxy",
            [str(program), "kube-proxy", f"--config={conf}/kube-proxy.json", f"--hostname-override={layout.node}"],
            needs=("api",),
        ),
    ]


def _control_plane(layout: Layout, *, program: Path) -> list[Program]:
    conf = layout.conf
    return [
        Program("etcd", [str(program), "etcd", *_etcd(layout)]),
        Program("kube-apiserver", [str(program), "kube-apiserver", *_apiserver(layout.pki)]),
        Program(
            "relay",
            [str(program), "relay", f"--listen-fd={RELAY_FD}", f"--to=127.0.0.1:{API_PORT}"],
            keeps_socket=True,
        ),
        Program(
            "kube-controller-manager",
            [
                *(str(program), "kube-controller-manager", *_kubeconfigs(conf / "controller-manager.kubeconfig")),
                "--leader-elect=false",
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={layout.pki}/sa.key",
                f"--root-ca-file={layout.pki}/ca.crt",
                f"--cluster-signing-cert-file={layout.pki}/ca.crt",
                f"--cluster-signing-key-file={layout.pki}/ca.key",
                "--bind-address=127.0.0.1",
                f"--service-cluster-ip-range={SERVICE_NETWORK}",
                "--node-monitor-grace-period=10s",
                "--node-monitor-period=1s",
            ],
            needs=("api",),
        ),
        Program(
            "kube-scheduler",
            [
                *(str(program), "kube-scheduler", *_kubeconfigs(conf / "scheduler.kubeconfig")),
                *("--leader-elect=false", "--bind-address=127.0.0.1"),
            ],
            needs=("api",),
        ),
        Program(
            "local-provisioner",
            [
                *(str(program), "local-provisioner", f"--name={PROVISIONER}", f"--folder={layout.volumes}"),
                f"--kubeconfig={conf}/provisioner.kubeconfig",
            ],
            needs=("api",),
        ),
    ]


def _kubeconfigs(path: Path) -> list[str]:
    return [f"--{purpose}kubeconfig={path}" for purpose in ("", "authentication-", "authorization-")]


def _etcd(layout: Layout) -> list[str]:
    peer = "http://127.0.0.1:2380"
    return [
        f"--name={layout.node}",
        f"--data-dir={layout.disk}/etcd",
        "--unsafe-no-fsync",  # what a dead machine loses of a dev cluster is no loss
        "--log-level=warn",
        "--quota-backend-bytes=1073741824",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={layout.node}={peer}",
        "--listen-metrics-urls=",
    ]


def _apiserver(pki: Path) -> list[str]:
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        "--storage-media-type=application/vnd.kubernetes.protobuf",
        f"--advertise-address={NODE_ADDRESS}",
        "--bind-address=0.0.0.0",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--requestheader-client-ca-file={pki}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",  # beside the defaults, Pod Security among them
        "--allow-privileged=true",
        "--shutdown-delay-duration=0s",
    ]
