"""Marks a process as a service of this platform, by a lock that it holds as long as it is running.

    python -S -m cli.runtimes.embedded.service_lock NAME COMMAND

takes the lock of the file `$RUN/NAME.lock`, writes its process id there, and becomes the shell command. So a stale
process id is recognized, and no unrelated process is taken for a service.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from pathlib import Path
from typing import IO

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
"""A command that a script started with `&` ignores SIGINT, and Python ignores SIGPIPE. No service inherits that."""


def lock_file(folder: Path, name: str) -> Path:
    """Returns the file that a service holds the lock of."""
    return folder / f"{name}.lock"


def is_held(file: Path) -> bool:
    """Returns whether any process of the service is running."""
    try:
        with file.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def holder(file: Path) -> int:
    """Returns the id of the process that holds the lock, which is its process group's, too; 0 if there is none."""
    return int(file.read_text() or 0) if is_held(file) else 0


def take(file: Path) -> IO[str]:
    """Returns the file, locked for this process and for those that inherit it.

    Raises:
        BlockingIOError: the service is running already.
    """
    handle = file.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise
    handle.truncate(0)
    return handle


def write_pid(handle: IO[str], pid: int) -> None:
    """Writes the id of the process that holds the lock."""
    handle.write(str(pid))
    handle.flush()


def command(name: str, shell_command: str) -> list[str]:
    """Returns the command line of this program; its working directory has to be the checkout."""
    return ["python", "-S", "-m", __name__, name, shell_command]


def main(name: str, shell_command: str) -> None:
    """Becomes the command."""
    try:
        handle = take(lock_file(Path(os.environ["RUN"]), name))
    except BlockingIOError:
        sys.exit(f"{name} is already running")
    write_pid(handle, os.getpid())
    os.set_inheritable(handle.fileno(), True)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    os.execvp("sh", ["sh", "-c", f"exec {shell_command}"])


if __name__ == "__main__":
    main(*sys.argv[1:])
