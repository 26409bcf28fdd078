"""Which processes are the platform's, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from cli.runtimes.embedded import logs, processes, service_lock, variables
from cli.runtimes.embedded.runtime import EmbeddedRuntime
from cli.settings.settings import Settings
from orionbox.errors import CommandError
from tests.conftest import ROOT, wait_for

Begin = Callable[[str, str], "subprocess.Popen[bytes]"]
CRASH = "2026-01-01 10:00:00,000 WARN exited: {} (exit status 1; not expected)\n"


@pytest.fixture
def begin(embedded: Settings) -> Iterator[Begin]:
    """Starts a shell command as a service of the platform; ends it after the test."""
    run = variables.folder(embedded) / "run"
    environment = {**os.environ, "RUN": str(run), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    started = []

    def begin(name: str, command: str) -> subprocess.Popen[bytes]:
        line = service_lock.command(name, command)
        started.append(subprocess.Popen(line, cwd=ROOT, env=environment, start_new_session=True))
        wait_for(lambda: service_lock.holder(service_lock.lock_file(run, name)) == started[-1].pid, name)
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_the_services_are_those_of_compose_that_need_no_container() -> None:
    found = {name for file in (ROOT / "compose").glob("*.yaml") for name in _services(file)}
    assert set(processes.services()) < found
    assert set(processes.services()).isdisjoint({"pgadmin", "docker-proxy", "gateway", "dask-worker"})


def _services(file: Path) -> list[str]:
    return list(yaml.safe_load(file.read_text()).get("services", {}))


def test_every_service_holds_a_lock_and_no_path_in_its_command_is_split_at_a_space() -> None:
    lines = processes.CONFIGURATION.read_text().splitlines()
    commands = [line.removeprefix("command=") for line in lines if line.startswith("command=")]
    assert len(commands) == len(processes.services())
    for command in commands:
        words = command.replace("%(program_name)s", "NAME")
        assert words.startswith(" ".join(service_lock.command("NAME", "'")))
        for name in ("ROOT", "DATA", "SQL_MODULE"):
            assert f'"${name}' in command or f"${name}" not in command


def test_stopping_ends_services_whose_supervisor_has_gone(embedded: Settings, begin: Begin) -> None:
    service = begin("orion", "sleep 60")
    processes.stop(embedded)
    assert service.wait(10) == -signal.SIGINT
    assert not processes.is_running(embedded, "orion")


def test_a_process_that_does_not_end_is_killed(
    embedded: Settings, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOPS", ((signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, 10)))
    service = begin("orion", "sh -c 'trap : INT; while :; do sleep 60; done'")
    processes.stop(embedded)
    assert service.wait(10) == -signal.SIGKILL


def test_a_foreign_process_is_never_ended(embedded: Settings) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as foreign:
        (variables.folder(embedded) / "run/orion.lock").write_text(str(foreign.pid))
        processes.stop(embedded)
        processes.kill(embedded, "orion")
        assert foreign.poll() is None
        foreign.kill()


def test_it_counts_how_often_each_service_has_ended_since(embedded: Settings) -> None:
    assert processes.log_size(embedded) == 0
    log = logs.log_file(embedded, processes.SUPERVISOR)
    log.write_text(CRASH.format("orion"))
    before = processes.log_size(embedded)
    with log.open("a") as file:
        file.write(CRASH.format("gcs") * 2 + "2026-01-01 10:00:00,000 WARN stopped: orion (exit status 0)\n")
    assert processes.count_exits(embedded) == Counter({"gcs": 2, "orion": 1})
    assert processes.count_exits(embedded, before) == Counter({"gcs": 2})
    assert processes.last_exit(embedded, "bigquery") == ""


def test_it_knows_how_a_service_ended_last(embedded: Settings) -> None:
    log = logs.log_file(embedded, processes.SUPERVISOR)
    killed = "2026-01-01 10:00:00,000 WARN exited: orion (terminated by SIGKILL; not expected)\n"
    log.write_text(CRASH.format("orion") + killed)
    assert processes.last_exit(embedded, "orion") == "terminated by SIGKILL"


def test_each_service_has_the_ports_of_its_settings() -> None:
    ports = {name: processes.ports_of(name) for name in processes.services()}
    assert ports["bigquery"] == ("BIGQUERY_PORT", "BIGQUERY_GRPC_PORT") and ports["agent"] == ports["sweeper"] == ()
    assert sorted(port for found in ports.values() for port in found) == sorted([*variables.PORTS, variables.INTERNET])


def test_a_port_that_was_taken_is_named_by_its_setting(embedded: Settings) -> None:
    processes.require_own_ports(embedded)
    variables.taken_note(embedded).write_text("5432")
    with pytest.raises(processes.PortTakenError, match="another program took POSTGRES_PORT=5432; start the platform"):
        processes.require_own_ports(embedded)


@pytest.mark.parametrize("command", ["status", "up", "down"])
def test_a_platform_of_another_user_is_refused_before_anything_is_asked_or_stopped(
    command: str, embedded: Settings, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `sudo make up`: a user sees no ports of root's processes, and may not end them."""

    def refuse(process: int, number: int) -> None:
        assert (process, number) == (supervisor.pid, 0)
        raise PermissionError

    supervisor = begin(processes.SUPERVISOR, "sleep 60")
    processes.require_own_user(embedded)
    monkeypatch.setattr(EmbeddedRuntime, "prepare", lambda self: None)
    platform = EmbeddedRuntime(embedded)
    steps = {"status": platform.require_own, "up": platform.up, "down": platform.down}
    with monkeypatch.context() as patched:
        patched.setattr(os, "kill", refuse)
        with pytest.raises(CommandError, match="platform unit-test is running as another user") as error:
            steps[command]()
    assert "sudo make down" in error.value.fix
