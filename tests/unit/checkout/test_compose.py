"""Holds the compose files to what every service must have; needs Compose, but no engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.runtimes.compose import gateway, runtime
from cli.settings import env_file as dotenv
from tests.conftest import ROOT

ONE_SHOT = {"bootstrap"}
ONLY_BUILT = {"base", "base-trixie", "flows"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything that compose reads, with a .env made from .env.example."""
    if not shutil.which("docker"):
        pytest.skip("Docker Compose is not installed")
    env_file = tmp_path_factory.mktemp("compose") / ".env"
    dotenv.ensure(env_file, ROOT / ".env.example")
    return read_by_compose(env_file)


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
    return {name: service for name, service in config["services"].items() if name not in {"base", "base-trixie"}}


def test_every_image_has_an_exact_tag(services: dict[str, dict[str, Any]]) -> None:
    tags = {name: service["image"].partition(":")[2] for name, service in services.items()}
    assert {name: tag for name, tag in tags.items() if tag in ("", "latest")} == {}
    assert len(set(tags.values())) == 1, "one version for all"


def test_every_port_is_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    ports = [(name, port["host_ip"]) for name, service in services.items() for port in service.get("ports", [])]
    assert {address for _, address in ports} == {"127.0.0.1"}
    local = {"start", "orion", "pgadmin", "postgres", "gcs", "bigquery", "dask-scheduler"}
    assert {name for name, _ in ports} == {*local, *gateway.GATEWAY.services}


def test_only_the_gateway_is_ever_on_another_address(config: dict[str, Any], tmp_path: Path) -> None:
    dotenv.ensure(tmp_path / ".env", ROOT / ".env.example")
    opened = read_by_compose(tmp_path / ".env", BIND_ADDRESS="192.0.2.7")["services"]
    addresses = {name: {port["host_ip"] for port in service.get("ports", [])} for name, service in opened.items()}
    assert addresses.pop(gateway.SERVICE) == {"192.0.2.7"}
    assert set().union(*addresses.values()) == {"127.0.0.1"}


def test_every_long_running_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == ONE_SHOT | {"flows"}


def test_nothing_waits_for_another_service_s_health_before_it_starts(services: dict[str, dict[str, Any]]) -> None:
    """They start side by side; a Dask worker is the exception, as it ends where there is no scheduler."""
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


def test_a_worker_shares_no_folder_with_other_services(services: dict[str, dict[str, Any]]) -> None:
    worker = services["dask-worker"]
    assert [volume["target"] for volume in worker["volumes"] if not volume["read_only"]] == []
    assert worker["deploy"]["replicas"] == 2, "as .env.example says"


def test_what_belongs_to_the_cluster_or_is_the_gateway_starts_with_its_setting_only(
    services: dict[str, dict[str, Any]],
) -> None:
    for extra in (extra for extra in runtime.EXTRAS if extra.profile):
        inside = {name for name, service in services.items() if service.get("profiles") == [extra.profile]}
        assert inside == set(extra.services)


def test_what_fails_is_started_again_however_often(
    services: dict[str, dict[str, Any]],
) -> None:
    assert {service["restart"] for service in services.values()} == {"on-failure", "no"}


def test_no_dockerfile_ends_as_root() -> None:
    for dockerfile in ROOT.glob("*/*/Dockerfile"):
        if dockerfile.parent.name != "base":
            users = [line.split()[1] for line in dockerfile.read_text().splitlines() if line.startswith("USER")]
            assert users and users[-1] != "root", dockerfile


def test_only_the_docker_proxy_mounts_the_socket(services: dict[str, dict[str, Any]]) -> None:
    mounts = {
        name
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if volume["source"].endswith("docker.sock")
    }
    assert mounts == {"docker-proxy"}


def test_every_line_of_the_example_settings_is_used() -> None:
    used = "".join(path.read_text() for path in [ROOT / "compose.yaml", *sorted((ROOT / "compose").glob("*.yaml"))])
    used += "".join(path.read_text() for path in (ROOT / "compose").glob("*.env"))
    for reader in ("engines", "cloud"):
        used += (ROOT / "ctl" / f"{reader}.py").read_text().replace('load()["', "${")
    unused = [name for name in dotenv.parse(ROOT / ".env.example") if f"${{{name}" not in used]
    assert unused == []


def test_locks_are_hashed_and_hold_no_address() -> None:
    locks = [path for path in ROOT.glob("*/**/requirements.lock") if ".venv" not in path.parts]
    assert len(locks) >= 7
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text, lock
        pins = [line for line in text.splitlines() if "==" in line]
        assert pins and all(line.endswith("\\") for line in pins), lock


def test_no_file_is_left_without_a_reader(tmp_path: Path) -> None:
    """Each Dockerfile belongs to a service."""
    text = "".join(path.read_text() for path in (ROOT / "compose").glob("*.yaml"))
    for dockerfile in ROOT.glob("*/*/Dockerfile"):
        assert f"{dockerfile.parent.relative_to(ROOT)}" in text, dockerfile
