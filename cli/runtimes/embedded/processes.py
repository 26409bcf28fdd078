"""The embedded runtime's processes: which of them run, how they start and how they end.

A process of ours holds a lock on `run/<service>.lock` as long as it lives, and its process groups stand in that file
(cli/runtimes/embedded/keep.py). So a stale file is known for one, and no foreign process is ever taken for ours.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cli.programs import ROOT, say
from cli.runtimes.embedded import variables, virtual_environments

SUPERVISOR = "honcho"
PROCFILE = ROOT / "cli/runtimes/embedded/Procfile"
STOPS = ((signal.SIGTERM, 10), (signal.SIGINT, 60), (signal.SIGKILL, 10))
"""How processes are ended, and seconds until the next way: by their keepers; where one is gone, directly; by force."""


def services() -> list[str]:
    """The Procfile's names."""
    lines = PROCFILE.read_text(encoding="utf-8").splitlines()
    return [line.partition(":")[0] for line in lines if line and not line.startswith("#")]


def log_file() -> Path:
    """What all services print, each line with the time and the service's name."""
    return variables.folder() / "log" / "services.log"


def log_lines(*names: str) -> list[str]:
    """What these services have printed since the start, or all where none is named."""
    log = log_file()
    return list(filter(_is_of(names), log.read_text(errors="replace").splitlines())) if log.exists() else []


def follow_log(*names: str) -> None:
    """Prints what these services, or all, print from now on."""
    is_wanted = _is_of(names)
    with log_file().open(errors="replace") as file:
        file.seek(0, os.SEEK_END)
        while True:
            if not (line := file.readline()):
                time.sleep(0.2)
            elif is_wanted(line):
                say(line.rstrip())


def _is_of(names: tuple[str, ...]) -> Callable[[str], object]:
    chosen = "|".join(map(re.escape, names)) or r"\S+"
    return re.compile(rf"\S+ ({chosen})(\.\d+)? ").match


def runs(name: str) -> bool:
    """Whether any process of the service lives."""
    try:
        with _lock(name).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def start(*services: str) -> None:
    """Starts all services, or only some; none of them may run."""
    log = log_file()
    if log.exists():
        os.replace(log, log.with_suffix(".log.1"))
    command = [
        virtual_environments.program("honcho"),
        "start",
        "--env",
        os.devnull,
        "--procfile",
        str(PROCFILE),
        *services,
    ]
    with _lock(SUPERVISOR).open("w") as lock, log.open("w") as output:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables.variables({**variables.flow_settings(), **variables.service_settings()}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()],
        )
        lock.write(str(process.pid))


def stop() -> None:
    """Ends every process, cleanly if that can be done in time."""
    names = [name for name in (*services(), SUPERVISOR) if runs(name)]
    for number, seconds in STOPS:
        for name in filter(runs, names):
            for group in _groups(name) if number != signal.SIGTERM else _groups(name)[:1]:
                with suppress(ProcessLookupError):
                    os.killpg(group, number)
        wait(lambda: not any(map(runs, names)), seconds)


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether that came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _lock(name: str) -> Path:
    return variables.folder() / "run" / f"{name}.lock"


def _groups(name: str) -> list[int]:
    """The process groups of a service's keeper and of the service itself."""
    return list(map(int, _lock(name).read_text().split()))
