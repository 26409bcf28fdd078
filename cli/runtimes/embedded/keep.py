"""Keeps one service of the Procfile running: the shell command in KEPT, under the name that honcho gives it.

honcho ends everything as soon as one process ends, so none does: this one starts its command again, after a pause that
grows while the command fails at once. SIGTERM ends both. The command is no argument, so that whoever ends a service by
a word of its command line (`pkill -f`) does not end its keeper with it.

As long as the command or this process lives, one of them holds a lock on `$RUN/<name>.lock`, where their process ids
stand. So nobody takes an old file for a running service, or a foreign process for one of ours.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.request import urlopen

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the command is started again."""
STEADY = 60
"""Seconds after which a command counts as having worked."""
PATIENCE = 4
"""Seconds for a clean end; after 5, honcho kills its processes, this one among them."""


def hold(path: Path) -> IO[str]:
    """The file, locked for this process and its command.

    Raises:
        BlockingIOError: it is running already.
    """
    file = path.open("a+")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def note(file: IO[str], *pids: int) -> None:
    """Writes the process ids into the file."""
    file.seek(0)
    file.truncate()
    file.write(" ".join(map(str, pids)))
    file.flush()


def wait_for(url: str) -> None:
    """Returns when the address answers."""
    while True:
        with suppress(OSError, HTTPException), urlopen(url, timeout=5):
            return
        time.sleep(0.2)


def run_once(command: str, lock: IO[str], patience: int) -> int:
    """Runs the command to its end; nothing of it is left then, however this ends."""
    child = subprocess.Popen(["sh", "-c", f"exec {command}"], start_new_session=True, pass_fds=[lock.fileno()])
    note(lock, os.getpid(), child.pid)
    try:
        return child.wait()
    finally:
        if child.poll() is None:
            end(child, patience)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def end(child: subprocess.Popen[bytes], patience: int) -> None:
    """Asks the command to end, by the signal that makes PostgreSQL do so at once but cleanly."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        child.wait(patience)


def keep(command: str, lock: IO[str], patience: int) -> None:
    """Runs the command again and again."""
    pause = SHORTEST_PAUSE
    while True:
        start = time.monotonic()
        code = run_once(command, lock, patience)
        pause = SHORTEST_PAUSE if time.monotonic() - start > STEADY else min(2 * pause, LONGEST_PAUSE)
        print(f"ended with {code}; starts again in {pause:.0f} s", flush=True)  # noqa: T201
        time.sleep(pause)


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--after", metavar="URL", help="start when this address answers")
    parser.add_argument("--patience", type=int, default=PATIENCE, help="seconds for a clean end")
    arguments = parser.parse_args()
    name = os.environ["HONCHO_PROCESS_NAME"].rpartition(".")[0]
    lock = hold(Path(os.environ["RUN"]) / f"{name}.lock")
    note(lock, os.getpid())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if arguments.after:
        wait_for(arguments.after)
    keep(os.environ["KEPT"], lock, arguments.patience)


if __name__ == "__main__":
    main()
