"""Whether the embedded runtime's services are healthy: the same checks as in compose."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from http.client import HTTPException
from urllib.request import urlopen

from cli.messages import HEALTHY
from cli.programs import ROOT, say
from cli.runtimes.embedded import logs, processes, variables
from cli.runtimes.embedded.bootstrap import Bootstrap
from cli.settings.settings import Settings
from orionbox.errors import CommandError
from orionbox.services import BY_NAME

START_TIMEOUT = 300
"""Seconds in which every service must have become healthy."""
START_GRACE_SECONDS = 60
"""Seconds after which a service that is not healthy yet counts as unhealthy."""
CHECK_TIMEOUT = 10
"""Seconds for the answer to one check."""
PAUSE = 0.1
"""Seconds between two checks."""
REPORT_SECONDS = 5
"""Seconds after which a line names the services that are not ready yet."""
QUICK = ("postgres", processes.BOOTSTRAP)
"""Checks that are fast, besides those over HTTP."""
MAX_EXITS = 3
"""How often a service may exit by itself before the start fails."""


def is_healthy(settings: Settings, name: str) -> bool:
    """Returns whether the service is healthy and is this platform's own process."""
    if not (processes.is_running(settings, name) and processes.owns_ports(settings, name)):
        return False
    service = BY_NAME[name]
    if name == "postgres":
        options = (
            f"--timeout={CHECK_TIMEOUT}",
            "--username=ny_taxi",
            "--host=127.0.0.1",
            f"--port={settings[service.port]}",
        )
        return _succeeds(settings, *service.health_program, *options)
    if service.health_program:
        return _succeeds(settings, "python", "-m", *service.health_program)
    return _answers(f"http://127.0.0.1:{settings[service.port]}{service.health}")


def _succeeds(settings: Settings, *command: str) -> bool:
    environment = variables.environment_of_services(settings)
    return not subprocess.run(command, cwd=ROOT, env=environment, capture_output=True).returncode


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=CHECK_TIMEOUT):
            return True
    except (OSError, HTTPException):
        return False


def state(settings: Settings, name: str) -> str:
    """Returns the state of a service in a word."""
    if not processes.is_running(settings, name):
        return "restarting" if processes.is_running(settings, processes.SUPERVISOR) else "stopped"
    if is_healthy(settings, name):
        return HEALTHY
    return "starting" if processes.seconds_since_start(settings, name) < START_GRACE_SECONDS else "unhealthy"


class Readiness:
    """Waits for starting services, and reports failures."""

    def __init__(self, settings: Settings, names: Sequence[str], bootstrap: Bootstrap | None = None) -> None:
        self.settings, self.bootstrap = settings, bootstrap
        self.began = self.last_line = time.monotonic()
        self.waiting = [*names, *([processes.BOOTSTRAP] if bootstrap else [])]
        self.log_size = processes.log_size(settings)

    def wait(self) -> None:
        """Waits until every service is healthy and the bootstrap has succeeded; prints a line for each.

        Raises:
            CommandError: a service failed or was not ready in time; the error has the end of its log.
        """
        while True:
            self._report(ready := self._ready())
            self.waiting = [name for name in self.waiting if name not in ready]
            if not self.waiting:
                return
            processes.require_own_ports(self.settings)
            if self.bootstrap:
                self.bootstrap.start_unless(self.waiting)
            if failed := self._failed():
                raise CommandError(self._explain(failed), "see more with: make logs SERVICE=name")
            time.sleep(PAUSE)

    def _ready(self) -> list[str]:
        """Returns those that have become ready. Python checks come last, because each takes a while to start."""
        quick = [name for name in self.waiting if name in QUICK or BY_NAME[name].health]
        return [name for name in quick or self.waiting if self._is_ready(name)]

    def _is_ready(self, name: str) -> bool:
        if name == processes.BOOTSTRAP:
            return bool(self.bootstrap and self.bootstrap.has_succeeded)
        return is_healthy(self.settings, name)

    def _report(self, ready: Sequence[str]) -> None:
        now = time.monotonic()
        for name in ready:
            word = "done" if name == processes.BOOTSTRAP else "ready"
            say(f"  {name:<14} {word} after {now - self.began:.1f} s")
        if not ready and now - self.last_line > REPORT_SECONDS:
            say(f"  waiting for {', '.join(self.waiting)} ({now - self.began:.0f} s)")
        if ready or now - self.last_line > REPORT_SECONDS:
            self.last_line = now

    def _failed(self) -> list[str]:
        """Returns those that will never become ready."""
        if not processes.is_running(self.settings, processes.SUPERVISOR):
            return [processes.SUPERVISOR]
        if self.bootstrap and self.bootstrap.has_failed:
            return [processes.BOOTSTRAP]
        if time.monotonic() - self.began > START_TIMEOUT:
            return self.waiting
        ends = processes.count_exits(self.settings, self.log_size)
        return [name for name in self.waiting if ends[name] >= MAX_EXITS]

    def _explain(self, failed: Sequence[str]) -> str:
        """Returns the state of these, and the end of their logs."""
        ends, lines = processes.count_exits(self.settings, self.log_size), ["the platform did not start:"]
        for name in failed:
            how = state(self.settings, name) if name in processes.services() else "failed"
            times = f", exited {ends[name]} times" if ends[name] else ""
            lines.append(f"  {name} ({how}{times}):\n{logs.end_of_log(self.settings, name)}")
        return "\n".join(lines)
