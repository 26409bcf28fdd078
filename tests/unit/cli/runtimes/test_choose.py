"""The runtime of a command: as typed, that of this checkout's platform, or by what this machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.runtimes import checkout, choose
from cli.runtimes.compose import engine
from cli.runtimes.compose.engine import Problem
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError

CLOSED = Problem("permission denied on /var/run/docker.sock", "sudo usermod -aG docker $USER")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without a platform, and an engine that answers."""
    monkeypatch.setattr(choose, "ROOT", tmp_path)
    monkeypatch.setattr(engine, "problem", lambda: None)
    return tmp_path


def record(root: Path, *names: str) -> None:
    for name in names:
        checkout.record(root / f".ports/{name}.json")


def chosen(settings: Settings, typed: str = "") -> tuple[str, str]:
    runtime, reason = choose.choose(typed, settings)
    return runtime.name, reason


def test_a_new_platform_is_on_docker_if_it_answers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(settings) == ("compose", "Docker is running")
    monkeypatch.setattr(engine, "problem", lambda: CLOSED)
    assert chosen(settings) == ("embedded", CLOSED.text)


def test_a_platform_stays_without_docker_when_docker_comes(settings: Settings, root: Path) -> None:
    record(root, "orionbox-embedded", "another-compose")
    assert chosen(settings) == ("embedded", "platform orionbox runs without Docker")
    assert chosen(settings.with_values(COMPOSE_PROJECT_NAME="another"))[0] == "compose"
    assert chosen(settings.with_values(COMPOSE_PROJECT_NAME="third"))[0] == "compose"


@pytest.mark.parametrize("names", [("orionbox-compose",), ("orionbox-compose", "orionbox-embedded")])
def test_without_its_engine_a_platform_on_docker_is_not_exchanged_for_an_empty_one(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    record(root, *names)
    assert chosen(settings)[0] == "compose"
    monkeypatch.setattr(engine, "problem", lambda: CLOSED)
    with pytest.raises(CommandError) as refused:
        choose.choose("", settings)
    assert refused.value.text.startswith(f"platform orionbox of this checkout runs on Docker, and {CLOSED.text}")
    assert refused.value.fix.startswith(f"{CLOSED.fix}; or name the runtime: RUNTIME=embedded")
    assert chosen(settings.with_values(COMPOSE_PROJECT_NAME="new"))[0] == "embedded"


@pytest.mark.parametrize("typed", ["compose", "embedded"])
def test_the_runtime_that_was_typed_wins(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    record(root, "orionbox-compose", "orionbox-embedded")
    monkeypatch.setattr(engine, "problem", lambda: CLOSED)
    assert chosen(settings, typed) == (typed, f"RUNTIME={typed}")


def test_an_unknown_runtime_is_refused(settings: Settings) -> None:
    with pytest.raises(BadInputError, match="RUNTIME=podman: there is no such runtime; use one of compose, embedded"):
        choose.choose("podman", settings)
