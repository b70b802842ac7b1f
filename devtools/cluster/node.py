"""A node's first process: its mounts and network, then its programs, started again whenever they end.

Runs as PID 1 of the namespaces that `process.py` opens, one set a node, by its file name and with the standard
library alone, so that it starts at once. What to run is in the plan written by `config.py`. When it ends, the kernel
ends everything else in the namespaces and removes their mounts and interfaces: there is nothing to clean up here.
"""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root"}
LONGEST_PAUSE_SECONDS = 10.0
JOIN_SECONDS = 60.0
STEADY_SECONDS = 30.0  # a program that ran this long starts again at once
# What the kubelet wants of the kernel and would set for the whole machine: it finds files that say so in their place.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}
CHILD_ENDED, STOP = signal.SIGCHLD, {signal.SIGTERM, signal.SIGINT}


def log(text: str) -> None:
    """Print a line with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def run(*argv: str, given: str | None = None) -> None:
    """Run a command to its end; only before the programs start, since their ends are collected elsewhere."""
    subprocess.run(argv, check=True, env=ENVIRONMENT, input=given, text=True)


def mount(state: Path) -> None:
    """Give the node a /sys of its own network, a /run of its own and folders that outlive it."""
    run("mount", "--make-rprivate", "/")
    # A fresh sysfs hides the cgroup hierarchies, so they are carried over; shared only afterwards, or the
    # clean-up would reach the copies.
    aside = state / "mnt"
    aside.mkdir(exist_ok=True)
    run("mount", "--rbind", "/sys/fs/cgroup", str(aside))
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("mount", "--rbind", str(aside), "/sys/fs/cgroup")
    run("umount", "-R", "-l", str(aside))
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    Path("/run/lock").mkdir()
    for covered in ("/var/lib", "/var/log"):
        own = state / "disk" / covered.strip("/")
        own.mkdir(parents=True, exist_ok=True)
        run("mount", "--bind", str(own), covered)
        run("mount", "--make-rshared", covered)
    for folder in ("/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods", "/var/log/containers"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for name, value in KERNEL_SETTINGS.items():
        said = Path("/run/kernel", name)
        said.parent.mkdir(parents=True, exist_ok=True)
        said.write_text(f"{value}\n")
        run("mount", "--bind", str(said), f"/proc/sys/{name}")


# A bridge, because some kernels have no dummy interfaces and further nodes are put on it; up by an idle pair.
BRIDGE = (
    "link add node0 type bridge",
    "link add stub type veth peer name stubp",
    "link set stubp master node0",
    "link set stubp up",
    "link set stub up",
)


def connect(plan: dict[str, Any]) -> None:
    """Make the first node's interface, or wait for another's (`workers.py` makes it); then addresses and routes.

    The default route leads nowhere; without it a packet to a Service's address would not get as far as kube-proxy's
    rules.
    """
    if not plan["is_first"]:
        await_interface()
    commands = [
        "link set lo up",
        *(BRIDGE if plan["is_first"] else ()),
        f"addr add {plan['address']} dev node0",
        "link set node0 up",
        "route add default dev node0",
        *(f"route add {route}" for route in plan["routes"]),
    ]
    run("ip", "-batch", "-", given="\n".join(commands) + "\n")
    for setting in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"):
        try:
            Path("/proc/sys/net", setting).write_text("1")
        except OSError as error:
            log(f"cannot set net/{setting}: {error}; a pod may not reach itself through its Service")


def await_interface() -> None:
    """Wait for the end of the pair whose other one is on the first node's bridge."""
    deadline = time.monotonic() + JOIN_SECONDS
    while not Path("/sys/class/net/node0").exists():
        if time.monotonic() > deadline:
            log(f"not joined to the first node within {JOIN_SECONDS:.0f} s")
            sys.exit(1)
        time.sleep(0.02)


@dataclass
class Running:
    """One program and where it stands."""

    name: str
    argv: list[str]
    needs: list[str]
    keeps_socket: bool
    pid: int = 0
    started_at: float = 0.0
    due_at: float = 0.0
    pause: float = 1.0

    def ended(self, status: int, *, now: float) -> None:
        """Note the end and when to start again: soon, later each time that it does not last."""
        self.pid = 0
        self.pause = 1.0 if now - self.started_at > STEADY_SECONDS else min(2 * self.pause, LONGEST_PAUSE_SECONDS)
        self.due_at = now + self.pause / 2
        log(f"{self.name} ended with {os.waitstatus_to_exitcode(status)}")


class Node:
    """Starts programs as what they need is there, collects every end, starts them again."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._logs = Path(plan["state"]) / "log"
        self._programs = [Running(**program) for program in plan["programs"]]
        self._there: set[str] = set()
        self._import = Running("import", [], needs=[], keeps_socket=False)
        self._images = list(plan["images"])
        self._api = ssl.create_default_context(cafile=plan["api"]["ca.crt"])
        self._api.load_cert_chain(plan["api"]["admin.crt"], plan["api"]["admin.key"])

    def serve(self) -> None:
        """Run until told to stop."""
        waited = {CHILD_ENDED, *STOP}
        signal.pthread_sigmask(signal.SIG_BLOCK, waited)
        while True:
            self._collect()
            self._look()
            now = time.monotonic()
            for program in self._programs:
                if not program.pid and self._there.issuperset(program.needs) and program.due_at <= now:
                    self._start(program)
            settled = {"api", "images"} <= self._there and all(program.pid for program in self._programs)
            received = signal.sigtimedwait(waited, 60 if settled else 0.1)
            if received and received.si_signo in STOP:
                return

    def _collect(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for program in (*self._programs, self._import):
                if program.pid == pid:
                    program.ended(status, now=time.monotonic())
                    if program is self._import and status == 0:
                        self._images.pop(0)
                        self._import.due_at = 0.0

    def _look(self) -> None:
        if "api" not in self._there and self._api_is_ready():
            log("API server is ready")
            self._there.add("api")
        if "images" in self._there or self._import.pid or self._import.due_at > time.monotonic():
            return
        if not self._images:
            log("images are there")
            self._there.add("images")
        elif self._containerd_answers():
            containerd = self._plan["containerd"]
            self._import.argv = ["ctr", "--address", containerd, "-n", "k8s.io", "images", "import", self._images[0]]
            self._start(self._import)

    def _api_is_ready(self) -> bool:
        api = self._plan["api"]
        connection = http.client.HTTPSConnection(api["address"], api["port"], timeout=2, context=self._api)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _containerd_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self._plan["containerd"])
            except OSError:
                return False
            return True

    def _start(self, program: Running) -> None:
        log(f"start {program.name}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions: list[tuple[Any, ...]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self._logs / f"{program.name}.log"), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        if program.keeps_socket:
            actions.append((os.POSIX_SPAWN_DUP2, self._plan["socket_fd"], self._plan["relay_fd"]))
        program.started_at = time.monotonic()
        program.pid = os.posix_spawnp(
            program.argv[0],
            program.argv,
            ENVIRONMENT,
            file_actions=actions,
            setsigmask=[],
            # Ignored by Python, or by the shell that put the node into the background.
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT],
        )


def main(state: Path) -> NoReturn:
    """Be the node whose own folder is `state`."""
    plan = json.loads((state / "conf" / "node.json").read_text())
    if plan["socket_fd"] is not None:
        os.set_inheritable(plan["socket_fd"], False)
    socket.sethostname(plan["hostname"])
    mount(state)
    connect(plan)
    log("namespaces are ready")
    Node(plan).serve()
    sys.exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
