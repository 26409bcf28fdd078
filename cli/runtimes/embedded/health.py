"""Whether the embedded runtime's services do their work: the same questions as the health checks in compose's files."""

from __future__ import annotations

import subprocess
import time
from http.client import HTTPException
from urllib.request import urlopen

from cli.programs import last_lines
from cli.runtimes.embedded import processes, virtual_environments
from cli.runtimes.embedded import variables as surroundings
from orionbox.errors import CommandError

START_TIMEOUT = 120
"""Seconds in which every service must have become healthy."""
PAGES = {
    "gcs": ("GCS_PORT", "/"),
    # With its data locked by another process it stays up and answers 400, so this must be a 200
    "bigquery": ("BIGQUERY_PORT", "/bigquery/v2/projects/local/datasets"),
    "internet": ("INTERNET_PORT", "/healthz"),
    "orion": ("ORION_PORT", "/api/health"),
    "start": ("START_PORT", "/healthz"),
}


def is_healthy(name: str) -> bool:
    """Whether the service does its work."""
    ports = surroundings.port_numbers()
    if name == "postgres":
        return _succeeds(
            "pg_isready", "--quiet", "--username=ny_taxi", "--host=127.0.0.1", f"--port={ports['POSTGRES_PORT']}"
        )
    if name == "agent":
        return _succeeds(virtual_environments.program("python"), "-m", "services.agent.health")
    if name == "sweeper":
        return _succeeds(virtual_environments.program("python"), "-m", "services.agent.sweeper", "health")
    port, page = PAGES[name]
    try:
        with urlopen(f"http://127.0.0.1:{ports[port]}{page}", timeout=4):
            return True
    except (OSError, HTTPException):
        return False


def state(name: str) -> str:
    """The service's state in words."""
    if not processes.runs(name):
        return "not running"
    return "healthy" if is_healthy(name) else "running, not healthy"


def wait_for(*names: str) -> None:
    """Returns when all these services are healthy.

    Raises:
        CommandError: they did not become so in time, or their supervisor has ended.
    """
    deadline = time.monotonic() + START_TIMEOUT
    for name in names:
        while not is_healthy(name):
            if time.monotonic() > deadline or not processes.runs(processes.SUPERVISOR):
                raise CommandError(_explain(names))
            time.sleep(0.1)


def _explain(names: tuple[str, ...]) -> str:
    parts = ["the platform did not start:"]
    for name in names:
        if not is_healthy(name):
            last_words = last_lines("\n".join(processes.log_lines(name)), 15)
            parts.append(f"  {name} ({state(name)}):\n{last_words}")
    return "\n".join([*parts, "see more with: make logs SERVICE=name"])


def _succeeds(*command: str) -> bool:
    variables = surroundings.variables({**surroundings.flow_settings(), **surroundings.service_settings()})
    return not subprocess.run(command, env=variables, capture_output=True).returncode
