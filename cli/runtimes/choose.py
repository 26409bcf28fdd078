"""Chooses the runtime: compose where a container engine answers, embedded elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import cast

from cli.runtimes.compose import runtime as compose
from cli.runtimes.compose import stores as compose_stores
from cli.runtimes.embedded import runtime as embedded
from cli.runtimes.embedded import stores as embedded_stores
from cli.runtimes.runtime import Runtime, Stores
from orionbox.errors import BadInputError

ENGINE_TIMEOUT = 20
"""Seconds for an engine to answer."""
RUNTIMES = {module.NAME: cast(Runtime, module) for module in (compose, embedded)}
STORES = {compose.NAME: cast(Stores, compose_stores), embedded.NAME: cast(Stores, embedded_stores)}


def choose() -> tuple[Runtime, str]:
    """Which runtime is in use, and why that one.

    Raises:
        BadInputError: RUNTIME names none.
    """
    wanted = os.environ.get("RUNTIME", "")
    if not wanted:
        fault = engine_fault()
        return (RUNTIMES["embedded"], fault) if fault else (RUNTIMES["compose"], "a Docker engine answers")
    if wanted not in RUNTIMES:
        raise BadInputError(f"RUNTIME={wanted}: there is no such runtime; use one of {', '.join(RUNTIMES)}")
    return RUNTIMES[wanted], f"RUNTIME={wanted}"


def engine_fault() -> str:
    """Why no Docker engine answers; empty if one does."""
    docker = shutil.which("docker")
    if not docker:
        return "there is no docker command"
    try:
        command = [docker, "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=ENGINE_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return f"{Path(docker).name} does not work"
    return "no Docker engine answers" if done.returncode else ""
