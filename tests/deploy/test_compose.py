"""docker-compose.yml without an engine: what it names exists, who holds which secret, nothing is privileged."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from datetime import timedelta
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

import worker
from activities.settings import WorkerSettings
from bot import __main__ as bot_process
from bot.settings import BotSettings
from gateway.settings import TemporalSettings
from operations.queues import NAMESPACE
from tests.architecture.source_tree import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS = {name for name, service in SERVICES.items() if str(service["restart"]).startswith("on-failure:")}
OURS = {
    "setup": (TemporalSettings,),
    "ops": (WorkerSettings, TemporalSettings),
    "signer": (WorkerSettings, TemporalSettings),
    "bot": (BotSettings, TemporalSettings),
}
EACH = pytest.mark.parametrize("name", list(SERVICES))
EACH_OF_OURS = pytest.mark.parametrize("name", list(OURS))
#: What would take a container's walls down, or give it a part of the host.
FORBIDDEN = {
    "privileged", "cap_add", "devices", "pid", "ipc", "uts", "userns_mode", "network_mode", "cgroup", "cgroup_parent",
    "device_cgroup_rules", "credential_spec", "runtime", "sysctls", "volumes_from", "env_file", "extra_hosts",
}  # fmt: skip


def _seconds(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+)s", text)
    assert found, f"{text}: write seconds, for example 30s"
    return timedelta(seconds=int(found.group(1)))


def _names_of(settings: type[BaseSettings]) -> dict[str, str]:
    prefix = settings.model_config.get("env_prefix", "")
    return {f"{prefix}{field}".upper(): field for field in settings.model_fields}


def _sources(service: dict[str, Any], kind: str) -> dict[str, str]:
    """What a service mounts of `secrets` or `configs`: its path inside, by its name."""
    mounted: dict[str, str] = {}
    for one in service.get(kind, []):
        long = one if isinstance(one, dict) else {"source": one, "target": f"/run/secrets/{one}"}
        mounted[long["source"]] = long["target"]
    return mounted


def test_there_are_the_servers_of_temporal_and_our_processes() -> None:
    assert set(SERVICES) == {"postgres", "temporal-schema", "temporal", "temporal-ui"} | set(OURS)
    assert sorted(JOBS) == ["setup", "temporal-schema"]


@EACH
def test_an_image_is_pinned_to_a_release(name: str) -> None:
    image = SERVICES[name]["image"]

    assert image == "${CRDBOPS_IMAGE:-crdb-chatops:local}" or re.fullmatch(
        r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", image
    )


@EACH
def test_a_container_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    user, _, group = service["user"].partition(":")

    assert not FORBIDDEN & set(service), f"{name}: remove {FORBIDDEN & set(service)}"
    assert int(user) > 0
    assert int(group) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(":" in one and not one.startswith(("/", ".", "~")) for one in service.get("volumes", []))


@EACH
def test_a_server_is_started_again_and_tells_its_health_and_a_job_ends(name: str) -> None:
    service = SERVICES[name]

    if name in JOBS:
        waiting = [one["depends_on"][name] for one in SERVICES.values() if name in one.get("depends_on", {})]
        assert waiting
        assert all(one == {"condition": "service_completed_successfully"} for one in waiting)
    else:
        check = service["healthcheck"]
        assert service["restart"] == "unless-stopped"
        assert check["test"][0] == "CMD"
        assert _seconds(check["timeout"]) <= _seconds(check["interval"])
        assert _seconds(check["start_period"]) > timedelta(0)


@EACH
def test_a_service_waits_for_services_that_exist_and_are_ready(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        assert wanted["condition"] == ("service_completed_successfully" if other in JOBS else "service_healthy")
        assert other in SERVICES


@EACH_OF_OURS
def test_ours_get_longer_to_stop_than_they_take(name: str) -> None:
    slowest = max(worker._GRACE, bot_process._GRACE)

    assert _seconds(SERVICES[name]["stop_grace_period"]) >= slowest + timedelta(seconds=5)


@EACH_OF_OURS
def test_every_setting_exists(name: str) -> None:
    known = {env for settings in OURS[name] for env in _names_of(settings)}

    assert set(SERVICES[name]["environment"]) <= known


@EACH_OF_OURS
def test_the_settings_can_be_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(key, re.sub(r"\$\{\w+:\?[^}]*\}", "seoul", value))

    read = [settings() for settings in OURS[name]]

    assert [type(one) for one in read] == list(OURS[name])


@pytest.mark.parametrize(("name", "role"), [("ops", "ops"), ("signer", "signer")])
def test_each_role_has_its_own_identity_and_no_other(name: str, role: str) -> None:
    service = SERVICES[name]

    assert service["command"] == ["python", "-m", "worker", "--role", role]
    assert _sources(service, "secrets") == {f"{role}-kubeconfig": f"/run/secrets/{role}-kubeconfig"}
    assert service["environment"][f"CRDBOPS_{role.upper()}_KUBECONFIG"] == f"/run/secrets/{role}-kubeconfig"


def test_secrets_of_slack_and_the_decision_key_are_the_bots_alone() -> None:
    holders = {
        secret: [name for name, service in SERVICES.items() if secret in _sources(service, "secrets")]
        for secret in COMPOSE["secrets"]
    }

    assert holders == {
        "postgres-password": ["postgres", "temporal-schema", "temporal"],
        "slack-bot-token": ["bot"],
        "slack-signing-secret": ["bot"],
        "token-key": ["bot"],
        "ops-kubeconfig": ["ops"],
        "signer-kubeconfig": ["signer"],
    }


@EACH
def test_paths_in_settings_are_mounted_and_no_secret_stands_in_the_environment(name: str) -> None:
    service = SERVICES[name]
    mounted = {*_sources(service, "secrets").values(), *_sources(service, "configs").values()}

    for key, value in service.get("environment", {}).items():
        if str(value).startswith(("/run/secrets/", "/etc/")):
            assert value in mounted, f"{name}: {key} names {value}, which is not mounted"
        assert not re.search(r"TOKEN$|SECRET$|PASSWORD$|PWD$", key), f"{name}: give {key} as a file"
    # Files of the host keep their owner: what is not ours reads them by the group.
    if _sources(service, "secrets"):
        assert "10001" in (service["user"].partition(":")[2], *service.get("group_add", []))


def test_what_is_mounted_is_declared_and_what_is_declared_is_mounted() -> None:
    for kind in ("secrets", "configs"):
        used = {source for service in SERVICES.values() for source in _sources(service, kind)}
        assert used == set(COMPOSE[kind])
        assert all(set(one) == {"file"} for one in COMPOSE[kind].values())
    ours = [one["file"] for one in COMPOSE["configs"].values() if not one["file"].startswith("${")]
    assert all((ROOT / file).is_file() for file in ours)
    assert len(ours) == 3


def test_all_files_of_the_installation_come_from_one_folder_which_git_ignores() -> None:
    places = {one["file"].rpartition("/")[0] for kind in ("secrets", "configs") for one in COMPOSE[kind].values()}

    assert places == {"${CRDBOPS_FILES:-./deploy/compose/files}", "./deploy/compose"}
    assert {".env", "deploy/compose/files/"} <= set((ROOT / ".gitignore").read_text().splitlines())


def test_every_variable_is_explained_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    example = (ROOT / "deploy" / "compose" / "example.env").read_text()

    assert asked == set(re.findall(r"^(?:# )?(CRDBOPS_\w+)=", example, flags=re.MULTILINE))


def test_commands_exist() -> None:
    modules = [service["command"][2] for name, service in SERVICES.items() if name in OURS]

    assert modules == ["gateway.setup", "worker", "worker", "bot"]
    assert all(importlib.util.find_spec(f"{name}.__main__" if name == "bot" else name) for name in modules)


def test_only_loopback_is_published_and_the_frontend_of_temporal_not_at_all() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {"temporal-ui": ["127.0.0.1:8233:8080"], "bot": ["127.0.0.1:3901:3901"]}
    assert SERVICES["bot"]["environment"]["CRDBOPS_BOT_PORT"] == "3901"


def test_the_database_is_reached_by_temporal_alone() -> None:
    near = [name for name, service in SERVICES.items() if "store" in service["networks"]]

    assert near == ["postgres", "temporal-schema", "temporal"]
    assert COMPOSE["networks"]["store"] == {"internal": True}
    assert COMPOSE["networks"]["temporal"] == {"internal": True}
    assert all(set(service["networks"]) <= set(COMPOSE["networks"]) for service in SERVICES.values())


def test_the_web_ui_only_reads_and_opens_our_namespace() -> None:
    environment = SERVICES["temporal-ui"]["environment"]

    assert environment["TEMPORAL_DISABLE_WRITE_ACTIONS"] == "true"
    assert environment["TEMPORAL_DEFAULT_NAMESPACE"] == NAMESPACE


@pytest.mark.parametrize("name", ["ops", "signer"])
def test_a_health_check_asks_the_port_that_is_served(name: str) -> None:
    port = SERVICES[name]["environment"]["CRDBOPS_HEALTH_PORT"]

    assert f"127.0.0.1:{port}/readyz" in SERVICES[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("script", ["schema.sh", "server.sh"])
def test_a_script_is_one_that_a_plain_shell_can_read(script: str) -> None:
    path = ROOT / "deploy" / "compose" / script

    done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert path.read_text().startswith("#!/bin/sh\n")


def test_dynamic_configuration_is_lists_of_values() -> None:
    read = yaml.safe_load((ROOT / "deploy" / "compose" / "dynamic.yaml").read_text())

    assert read
    assert all(list(entry[0]) == ["value"] for entry in read.values())
