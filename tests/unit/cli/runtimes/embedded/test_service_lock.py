"""A service is known by its lock, and by nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.runtimes.embedded import service_lock
from tests.conftest import ROOT, wait_for

Begin = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Starts a shell command as service `orion`; ends it after the test."""
    environment = {**os.environ, "RUN": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    processes = []

    def begin(command: str) -> subprocess.Popen[bytes]:
        line = service_lock.command("orion", command)
        processes.append(
            subprocess.Popen(line, cwd=ROOT, env=environment, stderr=subprocess.PIPE, start_new_session=True)
        )
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_a_service_holds_its_lock_as_long_as_it_is_running(begin: Begin, tmp_path: Path) -> None:
    file = service_lock.lock_file(tmp_path, "orion")
    assert not service_lock.is_held(file)
    process = begin("sleep 60")
    assert wait_for(lambda: service_lock.holder(file), "the lock") == process.pid
    process.kill()
    wait_for(lambda: not service_lock.is_held(file), "the end")
    assert service_lock.holder(file) == 0


def test_a_stale_process_id_is_ignored(tmp_path: Path) -> None:
    file = service_lock.lock_file(tmp_path, "orion")
    file.write_text(str(os.getpid()))
    assert service_lock.holder(file) == 0


def test_a_second_process_of_a_service_ends_at_once(begin: Begin, tmp_path: Path) -> None:
    begin("sleep 60")
    wait_for(lambda: service_lock.holder(service_lock.lock_file(tmp_path, "orion")), "the lock")
    second = begin("sleep 60")
    _, said = second.communicate(timeout=10)
    assert (second.returncode, said) == (1, b"orion is already running\n")


def test_a_service_receives_ctrl_c_even_if_the_caller_ignores_it(begin: Begin, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = begin("sleep 60")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(lambda: service_lock.holder(service_lock.lock_file(tmp_path, "orion")), "the lock")
    wait_for(lambda: b"sleep" in Path(f"/proc/{process.pid}/cmdline").read_bytes()[:6], "the command")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
