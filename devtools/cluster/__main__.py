"""`python -m devtools.cluster`: the dev cluster for people. Everything it does is `Cluster`'s.

Exit codes: 0, 1 for what failed, 2 for bad arguments and for machines that cannot run it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from devtools.cluster import machine
from devtools.cluster.build import build
from devtools.cluster.cluster import Cluster
from devtools.cluster.errors import EXIT_FAILED, EXIT_UNSUPPORTED, ClusterError, UnsupportedMachineError
from devtools.cluster.layout import MAX_NODES
from devtools.cluster.report import to_stderr

Command = TypeVar("Command", bound=Callable[..., None])


def which_cluster(command: Command) -> Command:
    """Add the options that say which cluster is meant."""
    folder = click.Path(path_type=Path, file_okay=False)
    name = click.option("--name", default="dev", show_default=True, help="The cluster's name.")
    state = click.option("--state", type=folder, help="The cluster's folder, if not the usual one.")
    return name(state(command))


@click.group()
def main() -> None:
    """A real Kubernetes on this machine, of one node or several."""


@main.command("build")
def build_command() -> None:
    """Build the node's programs, if they are not there yet, and print their folder."""
    machine.check()
    click.echo(build(report=to_stderr).folder)


@main.command()
@which_cluster
@click.option("--port", type=click.IntRange(1, 65535), help="The API server's port on 127.0.0.1; default: a free one.")
@click.option(
    "--nodes", type=click.IntRange(1, MAX_NODES), help="How many nodes; default: as many as it has, a new one 1."
)
def up(name: str, state: Path | None, port: int | None, nodes: int | None) -> None:
    """Start the cluster, or those of its nodes that are not up, and print its kubeconfig's path."""
    cluster = Cluster(name, state_dir=state, port=port, nodes=nodes)
    cluster.up()
    click.echo(cluster.kubeconfig)


@main.command()
@which_cluster
@click.option("--purge", is_flag=True, help="Forget everything that the cluster held.")
def down(name: str, state: Path | None, purge: bool) -> None:
    """End the cluster; without --purge the next `up` finds everything as it was."""
    Cluster(name, state_dir=state).down(purge=purge)


@main.command("kill-node")
@which_cluster
@click.argument("number", type=int)
def kill_node(name: str, state: Path | None, number: int) -> None:
    """End a node at once, as a machine that loses its power; not the first, which has the control plane."""
    Cluster(name, state_dir=state).kill_node(number)


@main.command("start-node")
@which_cluster
@click.argument("number", type=int)
def start_node(name: str, state: Path | None, number: int) -> None:
    """Start a node that was killed, with everything that was on its disk."""
    Cluster(name, state_dir=state).start_node(number)


@main.command()
@which_cluster
def status(name: str, state: Path | None) -> None:
    """Print how the cluster is; exits with 1 if it is not up."""
    seen = Cluster(name, state_dir=state).status()
    click.echo(f"name: {seen.name}\nstate: {seen.state}\nfolder: {seen.state_dir}")
    click.echo(f"port: {seen.port or '-'}\nkubeconfig: {seen.kubeconfig or '-'}")
    for node in seen.nodes:
        click.echo(f"node {node.number}: {node.name}{'' if node.is_running else ' (does not run)'}")
    if seen.state != "up":
        sys.exit(EXIT_FAILED)


@main.command()
@which_cluster
def kubeconfig(name: str, state: Path | None) -> None:
    """Print the path of the administrator's kubeconfig."""
    cluster = Cluster(name, state_dir=state)
    if not cluster.kubeconfig.exists():
        raise ClusterError(f'The cluster "{name}" was never up; `python -m devtools.cluster up` starts it.')
    click.echo(cluster.kubeconfig)


@main.command("load-image")
@which_cluster
@click.argument("archives", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def load_image(name: str, state: Path | None, archives: tuple[Path, ...]) -> None:
    """Give the cluster the images of OCI archives, as far as it does not have them."""
    cluster = Cluster(name, state_dir=state)
    for archive in archives:
        for image in cluster.load_image(archive):
            click.echo(f"{image.name} {image.digest} {'imported' if image.was_imported else 'there already'}")


@main.command("exec-node", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@which_cluster
@click.option("--node", "number", default=1, show_default=True, help="The node's number.")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_node(name: str, state: Path | None, number: int, argv: tuple[str, ...]) -> None:
    """Run a command inside a node's namespaces, e.g. `exec-node ip addr`; give absolute paths."""
    sys.exit(Cluster(name, state_dir=state).exec_node(argv, number=number))


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@which_cluster
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
def kubectl(name: str, state: Path | None, argv: tuple[str, ...]) -> None:
    """Run kubectl as the cluster's administrator."""
    sys.exit(Cluster(name, state_dir=state).exec_kubectl(argv))


def run() -> None:
    """Turn what went wrong into a sentence and an exit code."""
    try:
        main(prog_name="python -m devtools.cluster")
    except UnsupportedMachineError as error:
        click.echo(error, err=True)
        sys.exit(EXIT_UNSUPPORTED)
    except ClusterError as error:
        click.echo(error, err=True)
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    run()
