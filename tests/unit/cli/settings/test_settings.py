"""The settings in force: .env.example, .env, and what the user typed."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from cli.settings import env_file, rules
from cli.settings.settings import Settings
from orionbox.errors import BadInputError
from orionbox.flow_settings import FlowSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout that has only .env.example."""
    shutil.copy(env_file.EXAMPLE, tmp_path)
    return tmp_path


def read(root: Path, *lines: str, **typed: str) -> Settings:
    if lines:
        (root / ".env").write_text("".join(f"{line}\n" for line in lines))
    return Settings.read(typed, root)


def refusal(root: Path, *lines: str, **typed: str) -> str:
    with pytest.raises(BadInputError) as error:
        read(root, *lines, **typed)
    return str(error.value)


def test_without_a_file_the_example_holds_and_nothing_is_written(root: Path) -> None:
    settings = read(root)
    assert settings.platform == "orionbox" and settings.ports["ORION_PORT"] == 4200
    assert len(settings["ORION_DB_PASSWORD"]) == 32 and settings.typed == frozenset()
    assert not (root / ".env").exists()


def test_the_file_wins_over_the_example_and_the_user_over_the_file(root: Path) -> None:
    settings = read(root, "ORION_PORT=4300", "START_PORT=4400", ORION_PORT="4500", HOME="/root", GCS_PORT="")
    assert (settings["ORION_PORT"], settings["START_PORT"], settings["GCS_PORT"]) == ("4500", "4400", "4443")
    assert settings.where("ORION_PORT") == "ORION_PORT" and settings.where("START_PORT") == ".env: START_PORT"
    assert "HOME" not in settings.values


def test_every_setting_of_the_example_has_a_rule_and_keeps_it(root: Path) -> None:
    assert [name for name in read(root).values if not rules.find_rule(name)] == []


def test_settings_cannot_be_changed_only_copied(settings: Settings) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.values = {}  # type: ignore[misc]
    other = settings.with_ports({"ORION_PORT": 5000}).with_values(CLOUD="gcp")
    assert other["ORION_PORT"] == "5000" and other.is_real_cloud
    assert settings["ORION_PORT"] == "4200" and not settings.is_real_cloud


def test_flows_get_the_user_s_bucket_only_if_google_is_in_use(settings: Settings) -> None:
    google = settings.with_values(GCP_PROJECT="ada-taxi-412", GCP_BUCKET="ada-taxi-data", CLOUD="gcp")
    assert google.flow_settings == FlowSettings(project="ada-taxi-412", cloud="gcp", bucket="ada-taxi-data")
    assert google.with_values(CLOUD="emulators").flow_settings.bucket == FlowSettings.bucket


@pytest.mark.parametrize("names", [{"ENGINE": "dask"}, {"TASK_RUNNER": "dask"}])
def test_the_task_runner_may_still_be_called_engine(root: Path, names: dict[str, str]) -> None:
    assert read(root, **names).task_runner == "dask"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ORION_PORT=abc", ".env: ORION_PORT=abc: not a port; use a number from 1 to 65535"),
        ("ORION_PORT=0", ".env: ORION_PORT=0: not a port"),
        ("ORION_PORT=65536", ".env: ORION_PORT=65536: not a port"),
        ("ORION_PORT=42٠٠", ".env: ORION_PORT=42٠٠: not a port"),
        ("RUN_MEMORY=2 GB", ".env: RUN_MEMORY=2 GB: not a size of memory"),
        ("RUN_MEMORY=0g", ".env: RUN_MEMORY=0g: not a size of memory"),
        ("CLOUD=aws", ".env: CLOUD=aws: not a cloud; use one of emulators, gcp"),
        ("GCP_BUCKET=Ada", ".env: GCP_BUCKET=Ada: not the name of a bucket; use 3 to 63 of a-z"),
        ("INTERNET=yes", ".env: INTERNET=yes: not a kind of internet; use one of offline, real"),
        ("TASK_RUNNER=spark", ".env: TASK_RUNNER=spark: not a task runner; use one of threads, dask"),
        ("WORKERS=0", ".env: WORKERS=0: not a number of workers; use 1 to 99"),
        ("WORKERS=100", ".env: WORKERS=100: not a number of workers"),
        ("WORKERS=²", ".env: WORKERS=²: not a number of workers"),
        ("COMPOSE_PROJECT_NAME=My Box", ".env: COMPOSE_PROJECT_NAME=My Box: not a name for Docker"),
        ("BIND_ADDRESS=localhost", ".env: BIND_ADDRESS=localhost: not an IPv4 address; use 127.0.0.1 for this machine"),
        ("BIND_ADDRESS=192.0.2.256", ".env: BIND_ADDRESS=192.0.2.256: not an IPv4 address"),
        ("BIND_ADDRESS=10.1", ".env: BIND_ADDRESS=10.1: not an IPv4 address"),
        ("BIND_ADDRESS=::", ".env: BIND_ADDRESS=::: not an IPv4 address"),
        ("BIND_ADDRESS=0.0.0.0/0", ".env: BIND_ADDRESS=0.0.0.0/0: not an IPv4 address"),
        ("ORION_HTTPS_PORT=0", ".env: ORION_HTTPS_PORT=0: not a port"),
        ("GCP_PROJECT=a b", ".env: GCP_PROJECT=a b: not the name of a project"),
        ("FLOWS_UID=me", ".env: FLOWS_UID=me: not a number; delete the line"),
        ("DASK_SCHEDULER_ADDRESS=here", ".env: DASK_SCHEDULER_ADDRESS=here: not the address of a scheduler"),
        ("ORIONPORT=4200", "unknown setting ORIONPORT in .env (did you mean ORION_PORT?)"),
        ("NONSENSE=1", "unknown setting NONSENSE in .env; delete the line"),
        ("COMPOSE_FILE=mine.yaml", "COMPOSE_FILE in .env: Orionbox uses its own compose files"),
        ("DOCKER_DEFAULT_PLATFORM=linux/arm64", "DOCKER_DEFAULT_PLATFORM in .env: Orionbox uses its own"),
    ],
)
def test_a_bad_setting_is_reported_with_the_fix(root: Path, line: str, message: str) -> None:
    assert refusal(root, line).startswith(message)


def test_a_typed_setting_is_not_blamed_on_the_file(root: Path) -> None:
    assert refusal(root, WORKERS="many").startswith("WORKERS=many: not a number of workers")


def test_a_password_that_breaks_addresses_is_refused_but_not_shown(root: Path) -> None:
    message = refusal(root, "ORION_DB_PASSWORD=se'cret@home")
    assert message.startswith(".env: ORION_DB_PASSWORD=…: not a password that fits into an address")


@pytest.mark.parametrize("password", ["secret", "fifteen-letters", "sixteen letters!", "x" * 129])
def test_a_short_or_odd_password_for_the_gateway_is_refused_but_not_shown(root: Path, password: str) -> None:
    message = refusal(root, f"GATEWAY_PASSWORD={password}")
    assert message.startswith(".env: GATEWAY_PASSWORD=…: not a password of 16 to 128 characters; use letters")


def test_docker_s_own_variables_are_allowed_in_the_file(root: Path) -> None:
    assert read(root, "COMPOSE_PARALLEL_LIMIT=2", "DOCKER_BUILDKIT=1").platform == "orionbox"
