"""The embedded runtime as commands use it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from cli.runtimes import checkout, choose, ports
from cli.runtimes.embedded import health, processes, runtime, start, variables
from cli.runtimes.embedded.runtime import EmbeddedRuntime
from cli.runtimes.embedded.users import account
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError


@pytest.fixture
def platform(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> EmbeddedRuntime:
    """A platform that is running, as far as the runtime knows."""
    monkeypatch.setattr(EmbeddedRuntime, "ensure_up", lambda self: None)
    return EmbeddedRuntime(embedded)


def test_without_a_docker_command_the_runtime_is_embedded_and_says_why(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(checkout, "records", lambda root: ())  # this checkout may have a platform
    chosen, reason = choose.choose("", settings)
    assert (chosen.name, reason) == ("embedded", "there is no docker command")


def test_settings_have_the_ports_that_the_platform_took(
    embedded: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "FOLDER", tmp_path)
    monkeypatch.setattr(ports, "find_obstacle", lambda port, address: "")
    monkeypatch.setattr(ports.Reservations, "add", lambda self, port: True)
    platform = EmbeddedRuntime(embedded)
    assert platform.settings["ORION_PORT"] == "4200"
    with ports.Reservations() as reservations:
        file = ports.ports_file(embedded, "embedded")
        ports.choose(variables.preferred_ports(embedded), file, reservations, taken=[4200])
    assert platform.settings["ORION_PORT"] == "4201"
    assert "localhost:4201" in platform.addresses() and "pgAdmin" not in platform.addresses()


def test_settings_that_need_docker_are_refused_before_root_gives_folders_away(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Settings] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "leave_root", given.append)
    with pytest.raises(BadInputError, match="needs Docker"):
        EmbeddedRuntime(embedded.with_values(COMPOSE_PROJECT_NAME="new", BIND_ADDRESS="0.0.0.0")).leave_root()
    assert given == []
    EmbeddedRuntime(embedded).leave_root()
    assert given == [embedded]


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


def test_the_status_says_why_the_platform_has_stopped(embedded: Settings) -> None:
    variables.taken_note(embedded).write_text("4200")
    states = EmbeddedRuntime(embedded).status()
    assert states[processes.SUPERVISOR] == "stopped, because another program took ORION_PORT=4200"


class Starts:
    """Starts of the services, of which the first ones lose a port to another program."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch, losses: int) -> None:
        self.settings, self.losses, self.stops, self.starts = settings, losses, 0, 0
        monkeypatch.setattr(start, "stop", self.stop)
        monkeypatch.setattr(start, "start", self.start)
        monkeypatch.setattr(start, "is_started", lambda settings: False)
        monkeypatch.setattr(start, "exclusive_lock", nullcontext)
        monkeypatch.setattr(EmbeddedRuntime, "build", lambda self: None)
        monkeypatch.setattr(health, "is_healthy", lambda settings, name: True)
        monkeypatch.setattr(health.Readiness, "wait", self.wait)

    def stop(self, settings: Settings) -> None:
        self.stops += 1
        variables.taken_note(self.settings).unlink()

    def start(self, settings: Settings, only_postgres: bool = False) -> Settings:
        self.starts += 1
        return self.settings

    def wait(self, *arguments: object) -> None:
        if self.starts <= self.losses:
            variables.taken_note(self.settings).write_text("4200")
        processes.require_own_ports(self.settings)


def test_a_start_that_loses_a_port_to_another_program_is_repeated(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    starts = Starts(embedded, monkeypatch, losses=2)
    EmbeddedRuntime(embedded).up()
    assert (starts.starts, starts.stops) == (3, 2)
    line = "  another program took ORION_PORT=4200 while the platform was starting; starting again\n"
    assert capsys.readouterr().out.count(line) == 2
    EmbeddedRuntime(embedded).start_postgres()
    assert starts.starts == 4


def test_a_start_that_loses_a_port_each_time_ends_and_leaves_nothing_running(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = Starts(embedded, monkeypatch, losses=99)
    with pytest.raises(CommandError, match="another program took ORION_PORT=4200"):
        EmbeddedRuntime(embedded).up()
    assert starts.starts == starts.stops == ports.START_TRIES


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


def test_the_inbox_has_what_the_stand_in_for_slack_has_kept(platform: EmbeddedRuntime) -> None:
    assert platform.inbox() == "", "nothing was sent yet"
    kept = Path(variables.for_services(platform.settings)["INBOX"])
    kept.write_text('{"text": "a ride"}\n')
    assert platform.inbox() == '{"text": "a ride"}\n'
    assert variables.data(platform.settings) in kept.parents, "a reset deletes it"


def test_a_platform_exists_from_its_first_start(platform: EmbeddedRuntime) -> None:
    assert platform.exists()
    shutil.rmtree(variables.data(platform.settings))
    assert not platform.exists()


def test_a_reset_that_cannot_delete_everything_says_so_and_forgets_nothing(
    platform: EmbeddedRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres' data belongs to nobody after `sudo make up`; the next start would find it again."""

    def refuse(folder: Path, onerror: Any) -> None:
        error = PermissionError(13, "Permission denied", str(folder / "data/postgres"))
        onerror(os.scandir, error.filename, (PermissionError, error, None))

    forgotten: list[Path] = []
    monkeypatch.setattr(EmbeddedRuntime, "prepare", lambda self: None)
    monkeypatch.setattr(checkout, "forget", forgotten.append)
    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(PermissionError, match="data/postgres"):
        platform.reset()
    with pytest.raises(PermissionError, match="data/postgres"):
        platform.stores.clear()
    assert not forgotten and platform.exists()


def test_a_platform_whose_agent_does_not_start_has_its_stores(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A backup needs no agent and no page."""
    healthy = set[str]()

    def up(self: EmbeddedRuntime) -> None:
        healthy.update(("postgres", "gcs", "bigquery"))
        raise CommandError("agent exited 5 times\nits log")

    monkeypatch.setattr(health, "is_healthy", lambda settings, name: name in healthy)
    monkeypatch.setattr(EmbeddedRuntime, "up", up)
    EmbeddedRuntime(embedded).ensure_stores()
    assert capsys.readouterr().out == "agent exited 5 times\nbut its stores are running\n"
    EmbeddedRuntime(embedded).ensure_stores()
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(runtime, "STORES", ("postgres", "never"))
    with pytest.raises(CommandError, match="agent exited 5 times"):
        EmbeddedRuntime(embedded).ensure_stores()
