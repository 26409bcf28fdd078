"""Checks that every service in the compose files has what it must have; needs Compose, but no engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.environments import proxies
from cli.runtimes import ownership
from cli.runtimes.compose import optional_services
from cli.settings import env_file as env_files
from orionbox.flow_settings import VARIABLES
from tests.conftest import ROOT
from tests.tracked import files_named

COMPOSE_FILES = [ROOT / "compose.yaml", *sorted((ROOT / "compose").glob("*.yaml"))]
ONLY_BUILT = {"base"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything that compose reads, with a .env made from .env.example."""
    if not shutil.which("docker"):
        pytest.skip("Docker Compose is not installed")
    return read_by_compose(new_env_file(tmp_path_factory.mktemp("compose")))


def new_env_file(folder: Path) -> Path:
    """The .env of a new checkout."""
    (folder / ".env").unlink(missing_ok=True)
    env_files.save(env_files.fill_in(env_files.parse(env_files.EXAMPLE)), folder / ".env")
    return folder / ".env"


def read_by_compose(env_file: Path, **variables: str) -> dict[str, Any]:
    command = ["docker", "compose", "--env-file", str(env_file), "--profile", "*", "config", "--format", "json"]
    env = {**os.environ, "PWD": str(ROOT), **variables}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


@pytest.fixture(scope="module")
def services(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that run."""
    return {name: service for name, service in config["services"].items() if name not in ONLY_BUILT}


def test_every_image_has_an_exact_tag(services: dict[str, dict[str, Any]]) -> None:
    tags = {name: service["image"].partition(":")[2] for name, service in services.items()}
    assert {name: tag for name, tag in tags.items() if tag in ("", "latest")} == {}
    assert len(set(tags.values())) == 1, "one version for all"


def test_every_port_is_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    ports = [(name, port["host_ip"]) for name, service in services.items() for port in service.get("ports", [])]
    assert {address for _, address in ports} == {"127.0.0.1"}
    local = {"start", "orion", "pgadmin", "postgres", "gcs", "bigquery", "dask-scheduler"}
    assert {name for name, _ in ports} == {*local, *optional_services.GATEWAY.services}


def test_only_the_gateway_is_ever_on_another_address(config: dict[str, Any], tmp_path: Path) -> None:
    opened = read_by_compose(new_env_file(tmp_path), BIND_ADDRESS="192.0.2.7")["services"]
    addresses = {name: {port["host_ip"] for port in service.get("ports", [])} for name, service in opened.items()}
    assert addresses.pop("gateway") == {"192.0.2.7"}
    assert set().union(*addresses.values()) == {"127.0.0.1"}


def test_every_long_running_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == {"bootstrap", "flows"}, "they end by themselves"


def test_no_service_waits_for_another_one_s_health_before_it_starts(services: dict[str, dict[str, Any]]) -> None:
    """They start side by side; a Dask worker is the exception, because it ends if there is no scheduler."""
    waits = {
        (name, other)
        for name, service in services.items()
        for other, how in service.get("depends_on", {}).items()
        if how["condition"] != "service_started"
    }
    assert waits == {("dask-worker", "dask-scheduler")}


def test_every_service_is_hardened(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert int(service["mem_limit"]) > 0 and service["pids_limit"] > 0, name
        assert not service.get("privileged") and "container_name" not in service, name


REACH_OUTSIDE = {"agent", "bootstrap", "dask-worker", "flows", "orion", "start", "sweeper"}
"""Services that reach the internet, with INTERNET=real or with CLOUD=gcp."""


def test_no_service_is_behind_a_proxy_of_docker_s_configuration(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert {variable: service["environment"][variable] for variable in proxies.NAMES} == dict.fromkeys(
            proxies.NAMES, ""
        ), name


def test_only_what_reaches_the_internet_gets_the_user_s_proxies(tmp_path: Path) -> None:
    given = {"OUTSIDE_HTTPS_PROXY": "http://proxy.example:3128", "OUTSIDE_NO_PROXY": "orion"}
    told = read_by_compose(new_env_file(tmp_path), **given)["services"]
    behind = {name for name, service in told.items() if service.get("environment", {}).get("https_proxy")}
    assert behind == REACH_OUTSIDE
    for name in behind:
        environment = told[name]["environment"]
        assert environment["HTTPS_PROXY"] == environment["https_proxy"] == given["OUTSIDE_HTTPS_PROXY"]
        assert environment["NO_PROXY"] == environment["no_proxy"] == "orion" and environment["ALL_PROXY"] == ""


def test_a_worker_shares_no_folder_with_other_services(services: dict[str, dict[str, Any]]) -> None:
    worker = services["dask-worker"]
    assert [volume["target"] for volume in worker["volumes"] if not volume["read_only"]] == []
    assert worker["deploy"]["replicas"] == 2, "as .env.example says"


def test_the_cluster_and_the_gateway_start_only_with_their_setting(
    services: dict[str, dict[str, Any]],
) -> None:
    for optional in (each for each in optional_services.ALL if each.profile):
        inside = {name for name, service in services.items() if service.get("profiles") == [optional.profile]}
        assert inside == set(optional.services)


def test_a_failed_service_is_restarted_however_often_it_fails(
    services: dict[str, dict[str, Any]],
) -> None:
    assert {service["restart"] for service in services.values()} == {"on-failure", "no"}


def test_no_dockerfile_ends_as_root() -> None:
    for dockerfile in files_named("Dockerfile"):
        if dockerfile.parent.name not in ("base", ".devcontainer"):
            users = [line.split()[1] for line in dockerfile.read_text().splitlines() if line.startswith("USER")]
            assert users and users[-1] != "root", dockerfile


def test_the_internet_has_the_names_of_real_hosts_only_when_it_stands_for_them(tmp_path: Path) -> None:
    here, google, there = (
        read_by_compose(new_env_file(tmp_path), INTERNET=internet, GOOGLE=google)["services"]["internet"]
        for internet, google in (("offline", "offline"), ("offline", "real"), ("real", "real"))
    )
    assert here["networks"]["default"]["aliases"] == [*proxies.OFFLINE_HOSTS, *proxies.GOOGLE_HOSTS]
    assert google["networks"]["default"]["aliases"] == [*proxies.OFFLINE_HOSTS]
    assert not (there["networks"]["default"] or {}).get("aliases")
    assert {**here, "networks": None} == {**there, "networks": None}


def test_every_container_carries_its_checkout_and_every_volume_is_looked_for(
    config: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    for name, service in services.items():
        assert service["labels"].keys() == {ownership.CHECKOUT, ownership.FOLDER}, name
        assert service["labels"][ownership.FOLDER] == str(ROOT)
    assert set(config["volumes"]) == set(ownership.VOLUMES)


def test_only_the_common_file_is_extended() -> None:
    """So a service is understood in two openings: its own file, and that one."""
    extended = {
        extends.get("file", file.name)
        for file in COMPOSE_FILES
        for service in yaml.safe_load(file.read_text()).get("services", {}).values()
        if (extends := service.get("extends"))
    }
    assert extended == {"common.yaml"}


def test_the_package_and_the_images_have_one_version() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert package == env_files.version()


def test_a_run_s_container_gets_every_variable_of_flows_that_prefect_does_not_pass_on() -> None:
    flow = {name for name in env_files.parse(ROOT / "compose/flow.env") if not name.startswith("PREFECT_")}
    clouds = {name for cloud in ("emulators", "gcp") for name in env_files.parse(ROOT / f"compose/{cloud}.env")}
    text = (ROOT / "src/orionbox/prefect2/containers.py").read_text()
    own = {variable for variable in flow | clouds if f'"{variable}"' in text}
    assert flow | clouds <= own | set(VARIABLES.values())


def test_only_the_docker_proxy_mounts_the_socket(services: dict[str, dict[str, Any]]) -> None:
    mounts = {
        name
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if volume["source"].endswith("docker.sock")
    }
    assert mounts == {"docker-proxy"}


def test_every_line_of_the_example_settings_is_used() -> None:
    compose = "".join(path.read_text() for path in [*COMPOSE_FILES, *(ROOT / "compose").glob("*.env")])
    cli = "".join(path.read_text() for path in (ROOT / "cli").rglob("*.py"))
    example = env_files.parse(env_files.EXAMPLE)
    assert [name for name in example if f"${{{name}" not in compose and f'settings["{name}"]' not in cli] == [
        "TASK_RUNNER"
    ]
    assert 'self["TASK_RUNNER"]' in cli


def test_locks_are_hashed_and_hold_no_address() -> None:
    locks = files_named("requirements.lock")
    assert len(locks) >= 9
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text, lock
        pins = [line for line in text.splitlines() if "==" in line]
        assert pins and all(line.endswith("\\") for line in pins), lock


def test_each_dockerfile_belongs_to_a_service() -> None:
    text = "".join(path.read_text() for path in [*COMPOSE_FILES, ROOT / "dev/bench/compose.yaml"])
    for dockerfile in files_named("Dockerfile"):
        folder = dockerfile.parent.relative_to(ROOT).as_posix()
        assert folder in text or folder == ".devcontainer", dockerfile
