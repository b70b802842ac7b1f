"""The composition root of the worker: settings, clients, activities, workflows, watches, health.

`python worker.py --role ops` runs workflows, the Kubernetes and database activities and the CSR watch; `--role signer`
runs the signing activities alone, under its own Kubernetes identity. Without `--role` one process runs both, and says
that it gives up the separation. Nothing else makes a client or reads a setting.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import logging
import os
import pkgutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from pydantic import ValidationError
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

import workflows
from activities.authorization import AuthorizationActivities
from activities.certificates import CertificateActivities
from activities.clients.api import Api
from activities.clients.csr_watch import KubeCsrWatch
from activities.clients.csrs import KubeCsrs
from activities.clients.execution import KubeExec
from activities.clients.kube import KubeCluster
from activities.clients.roach import RoachNodes
from activities.clients.secrets import KubeAuthority
from activities.clients.temporal import TemporalRunning
from activities.cluster import ClusterActivities
from activities.drilling import DrillingActivities
from activities.failures import FailureInterceptor
from activities.looks import LookActivities
from activities.manifests.installation import installation
from activities.membership import MembershipActivities
from activities.nodes import NodeActivities
from activities.observing import ObservingActivities
from activities.running import RunningActivities
from activities.scaling import ScalingActivities
from activities.settings import WorkerSettings
from activities.signing import SigningActivities
from activities.sql import SqlActivities
from activities.upgrading import UpgradingActivities
from domain.configuration import Configuration, parse_configuration
from domain.errors import InvalidRequestError, OpsError
from events.csr import CsrEvents
from gateway.connect import connect
from gateway.ending import end, end_within
from gateway.logs import configure_logs
from gateway.settings import TemporalSettings
from gateway.setup import check_set_up
from gateway.takeover import ForgettingRunner
from operations import check_rules
from operations.queues import ops_queue, signer_queue
from tokens.interceptor import UpdateTokenInterceptor
from tokens.keyring import KeyRing

_log = logging.getLogger("worker")

#: After kill -9 of a worker, a cached workflow answers again after this (10 s by default).
_STICKY = timedelta(seconds=2)
#: A cancel reaches a heartbeating activity within this time, whatever its heartbeat time-out.
_HEARTBEAT = timedelta(seconds=1)
_GRACE = timedelta(seconds=20)
#: After its grace a stop takes a moment; Compose gives it half a minute.
_STOPS_WITHIN = _GRACE + timedelta(seconds=5)
#: Modules that workflow code shares with the outside. Importing all of ours anew for each run would cost 75 times the
#: memory; importing the workflows' own modules alone, half a run's processor time. That they touch nothing a sandbox
#: forbids is seen where stored histories are replayed.
SHARED = ("domain", "operations", "activities", "tokens", "workflows", "pydantic", "pydantic_core", "annotated_types")


@cache
def workflow_classes() -> tuple[type, ...]:
    """Return every workflow of `workflows/`: what is defined there is served."""
    found: list[type] = []
    for module in pkgutil.iter_modules(workflows.__path__, "workflows."):
        for _, value in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if value.__module__ == module.name and workflow._Definition.from_class(value) is not None:
                found.append(value)
    return tuple(found)


def sandbox() -> SandboxedWorkflowRunner:
    """Return what runs workflow code, as production runs it."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*SHARED))


def build_worker(
    client: Client,
    *,
    queue: str,
    ring: KeyRing,
    classes: Sequence[type] = (),
    activities: Sequence[Callable[..., Any]] = (),
) -> Worker:
    """Make a worker as production runs it: sandbox, token check before every update, our errors, quick take-over."""

    def forget(run_id: str) -> None:
        # The SDK's own way to let go of a run, which it offers under no public name (temporalio 1.35.0).
        worker._bridge_worker.request_workflow_eviction(run_id)

    worker = Worker(
        client,
        task_queue=queue,
        workflows=list(classes),
        activities=list(activities),
        interceptors=[UpdateTokenInterceptor(ring), FailureInterceptor()],
        workflow_runner=ForgettingRunner(sandbox(), forget),
        sticky_queue_schedule_to_start_timeout=_STICKY,
        max_heartbeat_throttle_interval=_HEARTBEAT,
        graceful_shutdown_timeout=_GRACE,
    )
    return worker


@asynccontextmanager
async def ops_worker(
    client: Client, settings: WorkerSettings, configuration: Configuration, ring: KeyRing
) -> AsyncIterator[list[Worker]]:
    """Wire the ops role and watch CSRs while it stands."""
    site = settings.site
    async with await Api.connect(_given(settings.ops_kubeconfig, "CRDBOPS_OPS_KUBECONFIG")) as api:
        cluster, csrs, nodes = KubeCluster(api), KubeCsrs(api), RoachNodes(KubeExec(api))
        running, upgrading = TemporalRunning(client), UpgradingActivities(cluster, nodes, configuration)
        served = [
            AuthorizationActivities(configuration, ring),
            ClusterActivities(cluster, configuration),
            CertificateActivities(csrs, running, configuration),
            NodeActivities(nodes, cluster),
            MembershipActivities(nodes, cluster),
            ScalingActivities(cluster, nodes, configuration),
            DrillingActivities(cluster, nodes),
            upgrading,
            ObservingActivities(upgrading),
            SqlActivities(nodes),
            RunningActivities(running),
            LookActivities(cluster, csrs, nodes, configuration, running=running),
        ]
        signers = (configuration.sites[site].node_signer, configuration.sites[site].client_signer)
        events = CsrEvents(client, KubeCsrWatch(api, signers=signers), configuration, site=site)
        watch = asyncio.create_task(events.run(), name="csr watch")
        watch.add_done_callback(_die_with)
        try:
            yield [
                build_worker(
                    client,
                    queue=ops_queue(site),
                    ring=ring,
                    classes=workflow_classes(),
                    activities=[method for one in served for method in _activities_of(one)],
                )
            ]
        finally:
            watch.remove_done_callback(_die_with)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


@asynccontextmanager
async def signer_worker(
    client: Client, settings: WorkerSettings, configuration: Configuration, ring: KeyRing
) -> AsyncIterator[list[Worker]]:
    """Wire the signer role: signing activities and nothing else."""
    site = settings.site
    async with await Api.connect(_given(settings.signer_kubeconfig, "CRDBOPS_SIGNER_KUBECONFIG")) as api:
        authority = KubeAuthority(api, namespace=configuration.sites[site].system_namespace)
        signing = SigningActivities(KubeCsrs(api), authority, configuration, ring)
        yield [build_worker(client, queue=signer_queue(site), ring=ring, activities=list(_activities_of(signing)))]


def _given(path: Path | None, name: str) -> Path:
    if path is None:
        raise InvalidRequestError(
            "setting.missing", f"Found no {name}, expected the path of a kubeconfig.", hint=f"{name}=/etc/crdbops/kube"
        )
    return path


def _activities_of(served: object) -> list[Callable[..., Any]]:
    return [m for _, m in inspect.getmembers(served, inspect.ismethod) if hasattr(m, "__temporal_activity_definition")]


def _die_with(task: asyncio.Task[None]) -> None:
    """A watch that ended leaves a worker that sees nothing: end it, so that it is started again."""
    if not task.cancelled():
        _log.error("watch ended", extra={"task": task.get_name(), "error": str(task.exception())})
        os.kill(os.getpid(), signal.SIGTERM)


@asynccontextmanager
async def _health(port: int, client: Client, workers: list[Worker]) -> AsyncIterator[None]:
    """Serve /healthz (the loop ticks) and /readyz (workers run, Temporal answers)."""

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def ready(_: web.Request) -> web.Response:
        try:
            is_ready = all(one.is_running for one in workers) and await client.service_client.check_health(
                timeout=timedelta(seconds=2)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, not ready is the answer
            return web.json_response({"ok": False, "error": type(error).__name__}, status=503)
        return web.json_response({"ok": is_ready}, status=200 if is_ready else 503)

    application = web.Application()
    application.add_routes([web.get("/healthz", live), web.get("/readyz", ready)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


def _configuration(settings: WorkerSettings) -> Configuration:
    configuration = parse_configuration(settings.config.read_text())
    check_rules(configuration)
    if settings.site not in configuration.sites:
        raise InvalidRequestError(
            "site.unknown",
            f"Found site {settings.site!r}, expected one of: {', '.join(sorted(configuration.sites))}.",
            hint="CRDBOPS_SITE=dev",
        )
    return configuration


def installation_text() -> str:
    """Return what an administrator applies to the site's Kubernetes: namespaces, identities, rights."""
    settings = WorkerSettings()
    return yaml.safe_dump_all(installation(_configuration(settings), settings.site), sort_keys=False)


async def run(role: str) -> None:
    """Run the worker until SIGTERM or SIGINT."""
    settings = WorkerSettings()
    configuration = _configuration(settings)
    ring = KeyRing.parse(settings.key_ring_file.read_text())
    client = await connect(TemporalSettings(), identity=f"{role}-{settings.site}/{socket.gethostname()}/{os.getpid()}")
    await check_set_up(client)
    wanted = {"ops": [ops_worker], "signer": [signer_worker], "both": [ops_worker, signer_worker]}[role]
    if role == "both":
        _log.warning("one process holds approve and sign: the separation of the two is given up")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        workers: list[Worker] = []
        for wire in wanted:
            workers += await stack.enter_async_context(wire(client, settings, configuration, ring))
        for one in workers:
            await stack.enter_async_context(one)
        if settings.health_port:
            await stack.enter_async_context(_health(settings.health_port, client, workers))
        _log.info("worker runs", extra={"role": role, "site": settings.site})
        await stopped.wait()
        _log.info("worker stops", extra={"role": role, "site": settings.site})
        end_within(_STOPS_WITHIN.total_seconds())


def main() -> int:
    """Read the role and run."""
    parser = argparse.ArgumentParser(description="Worker of crdb-chatops: workflows and activities, or the signer.")
    parser.add_argument("--role", choices=("ops", "signer"), help="run one role; without it one process runs both")
    parser.add_argument(
        "--print-installation",
        action="store_true",
        help="print the Kubernetes objects that the site of CRDBOPS_SITE needs, for kubectl apply, and end",
    )
    arguments = parser.parse_args()
    configure_logs()
    activity.logger.activity_info_on_message = False  # the event is a fixed phrase; the run is in the fields
    workflow.logger.workflow_info_on_message = False
    try:
        if arguments.print_installation:
            sys.stdout.write(installation_text())
            return 0
        asyncio.run(run(arguments.role or "both"))
    except (ValidationError, OSError) as error:
        _log.error("worker cannot run", extra={"error": str(error)})
        return 2
    except OpsError as error:
        _log.error("worker cannot run", extra={"error_code": error.code, "error": str(error)})
        return 2
    return 0


if __name__ == "__main__":
    end(main())
