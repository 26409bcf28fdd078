"""The container engine: whether Docker answers, and whether its Compose is new enough."""

from __future__ import annotations

import re
import shutil
import subprocess

from orionbox.errors import CommandError

TIMEOUT = 20
"""Seconds for an engine to answer."""
OLDEST_COMPOSE = (2, 20)
"""The first version with `include`."""


def unavailable_reason() -> str:
    """Returns why no Docker engine answers; empty if one does."""
    if not shutil.which("docker"):
        return "there is no docker command"
    try:
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return "`docker version` failed"
    return "no Docker engine answers" if done.returncode else ""


def require() -> None:
    """Refuses a machine on which Compose cannot work.

    Raises:
        CommandError: no engine answers, or its Compose is too old.
    """
    if reason := unavailable_reason():
        raise CommandError(reason, "start Docker Desktop; on Debian or Ubuntu: sudo make engine")
    version = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_COMPOSE:
        found = version.strip() or "is missing"
        oldest = ".".join(map(str, OLDEST_COMPOSE))
        raise CommandError(f"Docker Compose {found}: {oldest} or newer is needed", "run: sudo make engine")
