"""What is said where the dev cluster cannot run, and to bad arguments."""

import subprocess
import sys
from pathlib import Path

import pytest

from devtools.cluster import Cluster, cgroups, machine
from devtools.cluster.errors import ClusterError, UnsupportedMachineError
from devtools.cluster.layout import Layout
from devtools.cluster.record import Record, check_folder
from devtools.cluster.report import silent

pytestmark = pytest.mark.processes

# Gives its rights up only after the imports: another user may not even read the interpreter's folder.
AS_NOBODY = """
import os, sys
from devtools.cluster.__main__ import run
if os.geteuid() == 0:
    os.setuid(65534)
run()
"""


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devtools.cluster", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["build", "up", "down"])
def test_other_user_than_root_is_told_so_in_one_sentence(command: str) -> None:
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, command], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "needs root" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_bad_name_is_told_with_an_example() -> None:
    done = run("status", "--name", "My Cluster")

    assert done.returncode == 1
    assert 'for example "dev"' in done.stderr


def test_port_out_of_range_is_a_bad_argument() -> None:
    assert run("up", "--port", "70000").returncode == 2


def test_cluster_that_never_was_is_absent(tmp_path: Path) -> None:
    done = run("status", "--state", str(tmp_path / "none"))

    assert done.returncode == 1
    assert "state: absent" in done.stdout
    assert not (tmp_path / "none").exists()


def test_exec_in_a_node_that_is_not_there_says_how_to_start_it(tmp_path: Path) -> None:
    done = run("exec-node", "--state", str(tmp_path / "none"), "true")

    assert done.returncode == 1
    assert "python -m devtools.cluster up" in done.stderr


def test_missing_controllers_of_version_1_are_named(tmp_path: Path) -> None:
    for name in cgroups.NEEDED[1:]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()

    with pytest.raises(UnsupportedMachineError, match=f"does not have: {cgroups.NEEDED[0]}"):
        cgroups.check(tmp_path)


def test_missing_controllers_of_version_2_are_named(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io\n")

    with pytest.raises(UnsupportedMachineError, match="does not have: memory, pids"):
        cgroups.check(tmp_path)


def test_cgroups_of_version_1_come_and_go(tmp_path: Path) -> None:
    for name in cgroups.NEEDED:
        (tmp_path / name).mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):
        (tmp_path / "cpuset" / name).write_text("0-1")

    cgroups.make("/one", root=tmp_path)

    assert len(cgroups.left("/one", root=tmp_path)) == len(cgroups.NEEDED)
    assert (tmp_path / "cpuset" / "one" / "cpuset.cpus").read_text() == "0-1"


@pytest.mark.parametrize("passed_on", ["", "cpu memory\n"])
@pytest.mark.parametrize("has", ["hugetlb io", "io", ""])
def test_cgroups_of_version_2_get_all_controllers_that_the_kubelet_asks_for(
    tmp_path: Path, has: str, passed_on: str
) -> None:
    (tmp_path / "cgroup.controllers").write_text(f"cpuset cpu memory pids rdma misc {has}\n")
    (tmp_path / "one").mkdir()
    controls = [folder / "cgroup.subtree_control" for folder in (tmp_path, tmp_path / "one")]
    for control in controls:
        control.write_text(passed_on)

    cgroups.make("/one", root=tmp_path)

    wanted = {"cpuset", "cpu", "memory", "pids", *has.split()} - set(passed_on.split())
    assert [set(control.read_text().split()) for control in controls] == [{f"+{name}" for name in wanted}] * 2


def test_packages_are_known_by_what_they_bring(tmp_path: Path) -> None:
    assert {"containerd", "runc", "iproute2"} <= set(machine.missing_packages(str(tmp_path)))


def test_missing_packages_are_named_where_nothing_can_install_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnsupportedMachineError, match=r"there is no apt-get .*: .*containerd .*iproute2"):
        machine.ensure_packages(silent, path=str(tmp_path))


def test_failed_installation_gives_the_last_words_of_apt_get(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'E: no such mirror' >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    lines: list[str] = []

    with pytest.raises(ClusterError, match=r"`apt-get update -qq` failed: E: no such mirror"):
        machine.ensure_packages(lines.append, path=str(tmp_path))

    assert lines[0].startswith("installing packages: ")


@pytest.mark.parametrize("name", ["", "-dev", "Dev", "a" * 31, "a.b", "../up"])
def test_name_that_cannot_be_a_host_name_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="cannot name a cluster"):
        Layout.of(name, state=None)


@pytest.mark.parametrize("folder", ["/run/x", "/var/lib/x", "/var/run/x"])
def test_state_that_the_node_would_hide_is_refused(folder: str) -> None:
    with pytest.raises(ClusterError, match="covers with its own"):
        Layout.of("dev", state=Path(folder))


@pytest.mark.parametrize("nodes", [0, -1, 10])
def test_number_of_nodes_out_of_range_is_refused_with_an_example(nodes: int) -> None:
    with pytest.raises(ClusterError, match=f"cannot have {nodes} nodes: 1 to 9 are expected, for example 3"):
        Cluster("dev", nodes=nodes)
    assert run("up", f"--nodes={nodes}").returncode == 2


@pytest.mark.parametrize("command", ["kill-node", "start-node"])
def test_node_that_is_not_there_is_refused_with_what_makes_one(tmp_path: Path, command: str) -> None:
    done = run(command, "--state", str(tmp_path / "none"), "2")

    assert done.returncode == 1
    assert "up --nodes 3" in done.stderr
    assert not (tmp_path / "none").exists()


def test_same_name_in_another_folder_is_another_cluster(tmp_path: Path) -> None:
    one, other = (Layout.of("dev", state=tmp_path / name) for name in ("one", "other"))

    assert one.cgroup != other.cgroup


def test_folder_with_other_things_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(ClusterError, match="no folder of a cluster"):
        check_folder(Layout.of("dev", state=tmp_path))


def test_folder_of_another_cluster_is_not_touched(tmp_path: Path) -> None:
    Record("other").write(Layout.of("other", state=tmp_path))

    with pytest.raises(ClusterError, match='the cluster "other", not of "dev"'):
        check_folder(Layout.of("dev", state=tmp_path))
