"""Whether the embedded runtime's services are healthy: the same checks as in compose."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Hashable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path

from cli.messages import HEALTHY
from cli.programs import ROOT
from cli.runtimes import start_up
from cli.runtimes.embedded import logs, processes, variables
from cli.runtimes.embedded.bootstrap import Bootstrap
from cli.runtimes.failures import LastWords, data_folders
from cli.runtimes.start_up import MOST_EXITS, Look
from cli.settings.settings import Settings
from orionbox.loopback import open_url
from orionbox.services import BY_NAME

START_GRACE_SECONDS = 60
"""Seconds after which a service that is not healthy yet counts as unhealthy."""
CHECK_TIMEOUT = 10
"""Seconds for the answer to one check, which a busy machine may need."""
QUICK = ("postgres", processes.BOOTSTRAP)
"""Checks that are fast, besides those over HTTP."""


def is_healthy(settings: Settings, name: str) -> bool:
    """Returns whether the service is healthy and is this platform's own process."""
    if not processes.is_running(settings, name):
        return False
    return processes.owns_ports(settings, name) and not complaint(settings, name)


def complaint(settings: Settings, name: str) -> str:
    """Returns what the health check of a service finds wrong, in a line; empty if it passes."""
    service = BY_NAME[name]
    if name == "postgres":
        options = (
            f"--timeout={CHECK_TIMEOUT}",
            "--username=ny_taxi",
            "--host=127.0.0.1",
            f"--port={settings[service.port]}",
        )
        return _run_check(settings, *service.health_program, *options)
    if service.health_program:
        return _run_check(settings, "python", "-m", *service.health_program)
    return _request(f"http://127.0.0.1:{settings[service.port]}{service.health}")


def _run_check(settings: Settings, *command: str) -> str:
    environment = variables.environment_of_services(settings)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    last = (done.stdout + done.stderr).strip().splitlines()[-1:]
    return "".join(last) or f"{command[-1]}: exit {done.returncode}" if done.returncode else ""


def _request(url: str) -> str:
    try:
        with open_url(url, CHECK_TIMEOUT):
            return ""
    except (OSError, HTTPException) as error:
        return f"{url}: {error}"


def state(settings: Settings, name: str) -> str:
    """Returns the state of a service in a word."""
    if not processes.is_running(settings, name):
        return "restarting" if processes.is_running(settings, processes.SUPERVISOR) else "stopped"
    if is_healthy(settings, name):
        return HEALTHY
    return "starting" if processes.seconds_since_start(settings, name) < START_GRACE_SECONDS else "unhealthy"


class Readiness:
    """The services of one start as processes: which are ready, which have failed, and their last words."""

    pause = 0.1

    def __init__(self, settings: Settings, names: Sequence[str], bootstrap: Bootstrap | None = None) -> None:
        self.settings, self.bootstrap = settings, bootstrap
        self.waiting = [*names, *([processes.BOOTSTRAP] if bootstrap else [])]
        self.log_size = processes.log_size(settings)

    def wait(self) -> None:
        """Waits until every service is healthy and the bootstrap has succeeded; prints a line for each.

        Raises:
            StartError: a service has failed, or nothing has moved for too long; the error has the end of each log.
        """
        start_up.wait_until_ready(self, time.monotonic())

    def look(self) -> Look:
        """Looks at every service that is not ready yet. Checks in Python come last: each takes a while to start."""
        quick = [name for name in self.waiting if name in QUICK or BY_NAME[name].health]
        ready = [name for name in quick or self.waiting if self._is_ready(name)]
        self.waiting = [name for name in self.waiting if name not in ready]
        words = [f"{name:<14} {'done' if name == processes.BOOTSTRAP else 'ready'}" for name in ready]
        if not self.waiting:
            return Look(words)
        processes.require_own_ports(self.settings)
        if self.bootstrap:
            self.bootstrap.start_unless(self.waiting)
        return Look(words, self.waiting, self._failed())

    def _is_ready(self, name: str) -> bool:
        if name == processes.BOOTSTRAP:
            return bool(self.bootstrap and self.bootstrap.has_succeeded)
        return is_healthy(self.settings, name)

    def _failed(self) -> list[str]:
        """Returns those that will never become ready."""
        if not processes.is_running(self.settings, processes.SUPERVISOR):
            return [processes.SUPERVISOR]
        if self.bootstrap and self.bootstrap.has_failed:
            return [processes.BOOTSTRAP]
        exits = processes.count_exits(self.settings, self.log_size)
        return [name for name in self.waiting if exits[name] >= MOST_EXITS]

    def progress(self) -> Iterator[Hashable]:
        """Yields the last lines of the logs of those that are not ready."""
        for name in self.waiting:
            yield from (f"{name}: {line}" for line in logs.end_of_log(self.settings, name).splitlines())

    def last_words(self, names: Sequence[str]) -> list[LastWords]:
        """Returns the last words of these services."""
        return [self._last_words(name) for name in names]

    def _last_words(self, name: str) -> LastWords:
        exits = processes.count_exits(self.settings, self.log_size)[name]
        times = f", exited {exits} times, at last with {processes.last_exit(self.settings, name)}" if exits else ""
        log = logs.end_of_log(self.settings, name)
        if name not in BY_NAME:
            return LastWords(name, "running" if name in self.waiting and not self._failed() else "failed", log)
        health = complaint(self.settings, name) if processes.is_running(self.settings, name) else ""
        return LastWords(name, f"{state(self.settings, name)}{times}", log, health)

    def folders(self) -> list[Path]:
        """Returns the checkout."""
        return data_folders(is_in_docker=False)
