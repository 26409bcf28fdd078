"""The supervisor's own rules: short delays for ever, and nothing of a service left behind."""

from __future__ import annotations

import configparser
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from supervisor import events
from supervisor.options import ServerOptions
from supervisor.process import Subprocess
from supervisor.states import ProcessStates

from cli.runtimes.embedded import processes, service_lock, supervisor, variables
from cli.settings.settings import Settings
from tests.conftest import ROOT, wait_for

COMMAND = service_lock.command("orion", "command")
CONFIGURATION = """
[supervisord]
nodaemon=true
silent=true
logfile=supervisor.log
pidfile=supervisor.pid

[program:shell]
command=sh -c 'sleep 600 & echo $$ >pid; wait'
directory={}
stopsignal=INT
"""


@pytest.fixture
def subscriptions() -> Iterator[None]:
    """The supervisor's subscriptions, for this test only."""
    events.clear()
    events.subscribe(events.ProcessStateBackoffEvent, supervisor.shorten_delay)
    yield
    events.clear()


def test_delays_stay_short_however_often_a_service_fails(subscriptions: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    process, delays = Subprocess(SimpleNamespace(name="orion")), []
    for _ in range(6):
        process.state = ProcessStates.STARTING
        process.change_state(ProcessStates.BACKOFF)
        delays.append(process.delay - 1000)
    assert delays == [1, 2, 3, 3, 3, 3]


def test_no_service_is_ever_given_up() -> None:
    parser = configparser.RawConfigParser()
    parser.read(processes.CONFIGURATION)
    assert int(parser.defaults()["startretries"]) > supervisor.LONGEST_DELAY
    assert parser.defaults()["autorestart"] == "true"


@pytest.mark.parametrize("name", ["it's", 'a "quote"', "100%", "%(here)s", "$HOME", "a; b # c"])
def test_the_configuration_is_read_in_a_folder_of_any_name(
    name: str, embedded: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    for part in ("log", "run"):
        (folder / part).mkdir(parents=True)
    told = {key: value.replace(str(ROOT), str(folder)) for key, value in variables.for_services(embedded).items()}
    for key, value in {**told, "ROOT": str(folder), "TMPDIR": str(folder), "ALL_SERVICES": "true"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.chdir(folder)
    options = ServerOptions()
    options.realize(["--configuration", str(processes.CONFIGURATION)])
    (group,) = options.process_group_configs
    assert {program.directory for program in group.process_configs} == {str(folder)}
    assert {program.stdout_logfile for program in group.process_configs} == {
        f"log/{service}.log" for service in processes.services()
    }
    assert all(len(shlex.split(program.command)) == len(COMMAND) for program in group.process_configs)


def test_a_service_s_child_processes_end_with_it() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 600 & echo"], start_new_session=True, stdout=subprocess.DEVNULL) as shell:
        shell.wait(10)
        supervisor.end_group(SimpleNamespace(process=shell))
    wait_for(lambda: not members(shell.pid), "the end of the group")


def members(group: int) -> list[str]:
    """The states of a group's processes, those left out that have ended and wait for their parent."""
    states = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, its_group, *_ = file.read_text().rpartition(")")[2].split()
            states += [state] if int(its_group) == group and state != "Z" else []
    return states


def test_the_supervisor_never_ends_its_own_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "killpg", lambda *arguments: pytest.fail("a service that has not started has no group"))
    supervisor.end_group(SimpleNamespace(process=SimpleNamespace(pid=0)))


def test_a_signal_wakes_the_supervisor() -> None:
    handler = signal.signal(signal.SIGUSR2, lambda *arguments: None)
    try:
        alarm = supervisor.WakeUpPipe()
        alarm.handle_read_event()
        assert select.select([alarm.reading_end], [], [], 0)[0] == []
        os.kill(os.getpid(), signal.SIGUSR2)
        assert select.select([alarm.reading_end], [], [], 10)[0] == [alarm.reading_end]
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGUSR2, handler)


def test_a_signal_to_the_supervisor_ends_its_services_with_all_that_they_have_started(tmp_path: Path) -> None:
    (tmp_path / "configuration").write_text(CONFIGURATION.format(tmp_path))
    command = (sys.executable, "-m", supervisor.__name__, tmp_path, tmp_path / "configuration")
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
        pid = wait_for(lambda: (tmp_path / "pid").exists() and int((tmp_path / "pid").read_text() or 0), "the service")
        process.terminate()
        assert process.wait(10) == 0
    wait_for(lambda: not members(pid), "the end of the group")
