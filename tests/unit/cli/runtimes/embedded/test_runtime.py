"""The embedded runtime as commands use it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.runtimes import choose, ports
from cli.runtimes.embedded import health, processes, runtime, variables
from cli.runtimes.embedded.runtime import EmbeddedRuntime
from cli.settings.settings import Settings
from orionbox.errors import CommandError


@pytest.fixture
def platform(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> EmbeddedRuntime:
    """A platform that is running, as far as the runtime knows."""
    monkeypatch.setattr(EmbeddedRuntime, "ensure_up", lambda self: None)
    return EmbeddedRuntime(embedded)


def test_without_a_docker_command_the_runtime_is_embedded_and_says_why(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    chosen, reason = choose.choose("", settings)
    assert (chosen.name, reason) == ("embedded", "there is no docker command")


def test_settings_have_the_ports_that_the_platform_took(
    embedded: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "FOLDER", tmp_path)
    monkeypatch.setattr(ports, "is_free", lambda port, address: port != 4200)
    platform = EmbeddedRuntime(embedded)
    assert platform.settings["ORION_PORT"] == "4200"
    ports.choose(variables.preferred_ports(embedded), ports.ports_file(embedded, "embedded"))
    assert platform.settings["ORION_PORT"] == "4201"
    assert "localhost:4201" in platform.addresses() and "pgAdmin" not in platform.addresses()


def test_a_platform_that_was_never_started_is_not_up(embedded: Settings) -> None:
    platform = EmbeddedRuntime(embedded)
    assert not platform.is_up()
    assert set(platform.status().values()) == {"stopped"}
    assert set(platform.status()) == set(processes.services()) < platform.service_names()


def test_services_whose_supervisor_has_gone_are_not_all_there_is_to_say(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "state", lambda settings, name: "healthy")
    assert EmbeddedRuntime(embedded).status()["supervisor"] == "stopped"


def test_sql_goes_to_psql_as_input_and_stops_at_an_error(
    platform: EmbeddedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Sequence[str], Mapping[str, Any]]] = []

    def run(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append((command, options))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", run)
    assert platform.psql("SELECT nonsense") == 3
    ((command, options),) = calls
    assert "--set=ON_ERROR_STOP=1" in command and "SELECT nonsense" not in " ".join(command)
    assert options["input"] == "SELECT nonsense\n"
    assert options["env"]["PGPASSWORD"] == "word" and "word" not in " ".join(command)


@pytest.mark.parametrize("is_terminal, stops", [(True, False), (False, True)])
def test_psql_stops_at_an_error_unless_somebody_types(
    is_terminal: bool, stops: bool, platform: EmbeddedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Sequence[str]] = []

    def become(command: Sequence[str], environment: Mapping[str, str]) -> None:
        commands.append(command)
        raise SystemExit

    monkeypatch.setattr(runtime, "replace_process", become)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: is_terminal)
    with pytest.raises(SystemExit):
        platform.psql()
    assert ("--set=ON_ERROR_STOP=1" in commands[0]) == stops


def test_the_chat_needs_docker(platform: EmbeddedRuntime) -> None:
    with pytest.raises(CommandError, match=re.escape("no stand-in for hooks.slack.com")) as error:
        platform.inbox()
    assert error.value.fix == "use RUNTIME=compose"
