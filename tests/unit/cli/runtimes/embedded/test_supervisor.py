"""The supervisor's own rules: short delays for ever, and nothing of a service left behind."""

from __future__ import annotations

import configparser
import errno
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from supervisor import events, loggers
from supervisor.options import ServerOptions
from supervisor.process import Subprocess
from supervisor.states import ProcessStates

from cli.runtimes import ports
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


def test_a_signal_to_the_supervisor_ends_its_services_with_all_that_they_have_started(
    tmp_path: Path, embedded: Settings
) -> None:
    (tmp_path / "configuration").write_text(CONFIGURATION.format(tmp_path))
    command = (sys.executable, "-m", supervisor.__name__, tmp_path, tmp_path / "configuration")
    environment = {**os.environ, **variables.for_services(embedded)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True) as process:
        pid = wait_for(lambda: (tmp_path / "pid").exists() and int((tmp_path / "pid").read_text() or 0), "the service")
        process.terminate()
        assert process.wait(10) == 0
    wait_for(lambda: not members(pid), "the end of the group")


# --- ports ---


class Ports:
    """The ports of a machine: who listens where, as far as the watch can see."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.listeners: dict[int, int] = {}
        """The process group that listens, by port; 0 for another user's."""
        self.looks = 0
        monkeypatch.setattr(processes, "listens", self.listens)
        monkeypatch.setattr(ports, "can_listen", lambda port, address: port not in self.listeners)

    def listens(self, name: str, group: int, port: int, cluster: Path) -> bool:
        self.looks += 1
        return self.listeners.get(port) == group


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Ports:
    return Ports(monkeypatch)


@pytest.fixture
def watch() -> supervisor.PortWatch:
    return supervisor.PortWatch({"orion": [4200], "bigquery": [9050, 9060], "agent": []}, Path("/cluster"))


def test_a_port_that_another_program_has_for_a_while_is_taken(machine: Ports, watch: supervisor.PortWatch) -> None:
    machine.listeners = {9060: 0}
    found = [watch.find_taken({"orion": 7, "bigquery": 8, "agent": 9}, now) for now in (0, 0.3, 0.6)]
    assert found == [0, 0, 9060]


def test_a_port_that_somebody_had_for_a_moment_is_not_taken(machine: Ports, watch: supervisor.PortWatch) -> None:
    for now, listener in enumerate((0, None, 0, None)):
        machine.listeners = {} if listener is None else {4200: listener}
        assert watch.find_taken({"orion": 7}, now) == 0


def test_a_service_that_listens_is_watched_again_only_when_it_was_restarted(
    machine: Ports, watch: supervisor.PortWatch
) -> None:
    machine.listeners = {4200: 7}
    assert [watch.find_taken({"orion": 7}, now) for now in range(9)] == [0] * 9
    assert machine.looks == 1
    machine.listeners = {4200: 0}
    assert [watch.find_taken({"orion": group}, now) for group, now in ((0, 10), (8, 11))] == [0, 4200]


def test_a_service_with_two_ports_is_watched_until_it_listens_on_both(
    machine: Ports, watch: supervisor.PortWatch
) -> None:
    machine.listeners = {9050: 8}
    assert watch.find_taken({"bigquery": 8}, 0) == 0
    machine.listeners = {9050: 8, 9060: 0}
    assert [watch.find_taken({"bigquery": 8}, now) for now in (1, 2)] == [0, 9060]


SERVER = """
[program:orion]
command={} -m http.server --bind 127.0.0.1 {}
startsecs=10
[program:idle]
command=sh -c 'echo idle >started; sleep 600'
"""


def test_the_platform_stops_when_another_program_takes_a_port_while_its_service_restarts(
    tmp_path: Path, embedded: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        configuration = CONFIGURATION.format(tmp_path) + SERVER.format(sys.executable, port)
        (tmp_path / "configuration").write_text(configuration)
        told = {**variables.for_services(embedded), "ORION_PORT": str(port), "PORT_TAKEN": str(tmp_path / "taken")}
        command = (sys.executable, "-m", supervisor.__name__, tmp_path, tmp_path / "configuration")
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **told}, start_new_session=True) as process:
            assert process.wait(60) == 0
    assert (tmp_path / "taken").read_text() == str(port)
    assert f"another program has port {port}; stopping the platform" in (tmp_path / "supervisor.log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_a_log_on_a_full_disk_loses_lines_and_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    log = supervisor.Log("/dev/full", maxBytes=0)
    logger = loggers.Logger(handlers=[log])
    for _ in range(9):
        logger.critical("orion exited")
    log.close()
    assert capsys.readouterr() == ("", "")


def test_a_log_whose_rotation_failed_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = supervisor.Log(str(tmp_path / "orion.log"), maxBytes=10, backupCount=1)
    log.setFormat("%(message)s\n")
    logger = loggers.Logger(handlers=[log])

    def refuse(*names: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(log, "removeAndRename", refuse)
        for word in ("a long line that fills the log", "lost"):
            logger.critical(word)
    logger.critical("again")
    log.close()
    assert "again" in "".join(path.read_text() for path in tmp_path.iterdir())
