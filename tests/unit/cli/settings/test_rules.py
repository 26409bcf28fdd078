"""Settings that are not what they have to be are refused with their name, their place and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.settings import env_file as dotenv
from cli.settings import rules
from orionbox.errors import BadInputError
from tests.conftest import ROOT


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The .env of a checkout that has only that and its example."""
    example = (ROOT / ".env.example").read_text()
    (tmp_path / ".env.example").write_text(example)
    for module in (dotenv, rules):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for name in dotenv.parse(ROOT / ".env.example"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text(example)
    return tmp_path / ".env"


def refuse() -> str:
    with pytest.raises(BadInputError) as error:
        rules.check()
    return str(error.value)


def test_every_setting_has_a_kind() -> None:
    assert [name for name in dotenv.parse(ROOT / ".env.example") if not rules.kind_of(name)] == []


def test_the_example_is_valid_and_so_is_what_up_makes_of_it(env_file: Path) -> None:
    rules.check()
    dotenv.ensure(env_file, ROOT / ".env.example")
    rules.check()


def test_a_missing_and_an_empty_file_are_filled_in_later(env_file: Path) -> None:
    env_file.write_text("")
    rules.check()
    env_file.unlink()
    rules.check()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ORION_PORT=abc", ".env: ORION_PORT=abc: not a port; use a number from 1 to 65535"),
        ("ORION_PORT=0", ".env: ORION_PORT=0: not a port"),
        ("ORION_PORT=65536", ".env: ORION_PORT=65536: not a port"),
        ("ORION_PORT=42٠٠", ".env: ORION_PORT=42٠٠: not a port"),
        ("RUN_MEMORY=2 GB", ".env: RUN_MEMORY=2 GB: not a size of memory"),
        ("RUN_MEMORY=0g", ".env: RUN_MEMORY=0g: not a size of memory"),
        ("CLOUD=aws", ".env: CLOUD=aws: not one of emulators, gcp"),
        ("GCP_BUCKET=Ada", ".env: GCP_BUCKET=Ada: not a bucket's name; use 3 to 63 of a-z"),
        ("INTERNET=yes", ".env: INTERNET=yes: not one of offline, real"),
        ("ENGINE=spark", ".env: ENGINE=spark: not an engine; use one of threads, dask"),
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
        ("DASK_SCHEDULER_ADDRESS=here", ".env: DASK_SCHEDULER_ADDRESS=here: not an address like tcp://"),
        ("ORON_PORT=4200", ".env: ORON_PORT is no setting; did you mean ORION_PORT?"),
        ("NONSENSE=1", ".env: NONSENSE is no setting; delete the line"),
    ],
)
def test_a_bad_setting_is_named_with_the_remedy(env_file: Path, line: str, message: str) -> None:
    name = line.split("=")[0]
    kept = [kept for kept in env_file.read_text().splitlines() if not kept.startswith(f"{name}=")]
    env_file.write_text("\n".join([*kept, line, ""]))
    assert refuse().startswith(message)


def test_what_was_typed_is_not_blamed_on_the_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "many")
    assert refuse().startswith("WORKERS=many: not a number of workers")


def test_a_password_that_breaks_addresses_is_refused_but_not_shown(env_file: Path) -> None:
    env_file.write_text("ORION_DB_PASSWORD=se'cret@home\n")
    assert refuse().startswith(".env: ORION_DB_PASSWORD=…: not a password that fits into an address")


@pytest.mark.parametrize("password", ["secret", "fifteen-letters", "sixteen letters!", "x" * 129])
def test_a_short_or_odd_password_for_the_gateway_is_refused_but_not_shown(env_file: Path, password: str) -> None:
    env_file.write_text(f"GATEWAY_PASSWORD={password}\n")
    assert refuse().startswith(".env: GATEWAY_PASSWORD=…: not a password of 16 to 128 characters; use letters")


def test_what_docker_reads_from_the_file_is_left_to_it(env_file: Path) -> None:
    env_file.write_text("COMPOSE_PARALLEL_LIMIT=2\nDOCKER_BUILDKIT=1\n")
    rules.check()
