"""Measures a bare `prefect server start` until it is healthy; its database exists from an earlier start."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

HEALTH = "http://127.0.0.1:{port}/api/health"
TIMEOUT = 120
"""Seconds in which the server must be healthy."""


def start(home: Path, port: int) -> float:
    """Starts a server and stops it; returns the seconds until it was healthy."""
    settings = {"PREFECT_HOME": str(home), "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui")}
    begin = time.perf_counter()
    with (home / "log").open("w+") as log, _server({**os.environ, **settings}, port, log) as server:
        try:
            _wait(lambda: _is_healthy(port) or server.poll() is not None)
            seconds = time.perf_counter() - begin
            if server.poll() is not None:
                raise RuntimeError(f"prefect server start: exit {server.returncode}\n{(home / 'log').read_text()}")
        finally:
            server.terminate()  # which stops the server that it has started
    return seconds


def _server(environment: dict[str, str], port: int, log: IO[str]) -> subprocess.Popen[bytes]:
    command = ["prefect", "server", "start", "--port", str(port)]
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"prefect server start: not healthy after {TIMEOUT} s")
        time.sleep(0.02)


def _is_healthy(port: int) -> bool:
    try:
        with urlopen(HEALTH.format(port=port), timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


if __name__ == "__main__":
    with TemporaryDirectory(ignore_cleanup_errors=True) as home:
        start(Path(home), 4201)  # creates the database
        # Another port: for Prefect one is in use until its last connections have timed out
        print(json.dumps({"seconds": start(Path(home), 4200)}))
