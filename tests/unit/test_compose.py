"""Holds the compose files to what every service must have; needs Compose, but no engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ctl import dotenv
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
    command = ["docker", "compose", "--env-file", str(env_file), "--profile", "*", "config", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PWD": str(ROOT)}, capture_output=True, text=True)
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
    assert {name for name, _ in ports} == {"orion", "pgadmin", "postgres", "gcs", "bigquery"}


def test_every_long_running_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    without = {name for name, service in services.items() if "healthcheck" not in service}
    assert without == ONE_SHOT | {"flows"}


def test_every_one_shot_has_a_service_that_waits_for_it(services: dict[str, dict[str, Any]]) -> None:
    awaited = {
        other
        for service in services.values()
        for other, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert awaited == ONE_SHOT


def test_every_service_is_hardened(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert int(service["mem_limit"]) > 0 and service["pids_limit"] > 0, name
        assert not service.get("privileged") and "container_name" not in service, name


def test_restarts_are_bounded(services: dict[str, dict[str, Any]]) -> None:
    assert {service["restart"] for service in services.values()} == {"on-failure:10", "no"}


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
