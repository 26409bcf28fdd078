"""Chooses the runtime: compose where a container engine answers, embedded elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from cli.runtimes.compose.runtime import ComposeRuntime
from cli.runtimes.embedded.runtime import EmbeddedRuntime
from cli.runtimes.runtime import Runtime
from cli.settings.settings import Settings
from orionbox.errors import BadInputError

ENGINE_TIMEOUT = 20
"""Seconds for an engine to answer."""
RUNTIMES: Mapping[str, Callable[[Settings], Runtime]] = {
    ComposeRuntime.name: ComposeRuntime,
    EmbeddedRuntime.name: EmbeddedRuntime,
}


def choose(name: str, settings: Settings) -> tuple[Runtime, str]:
    """Returns the runtime in use, and why that one.

    Args:
        name: as the user typed it; empty where the choice is ours.
        settings: handed to the runtime.

    Raises:
        BadInputError: there is no runtime of that name.
    """
    if name and name not in RUNTIMES:
        raise BadInputError(f"RUNTIME={name}: there is no such runtime", f"use one of {', '.join(RUNTIMES)}")
    if name:
        return RUNTIMES[name](settings), f"RUNTIME={name}"
    fault = engine_fault()
    chosen = EmbeddedRuntime if fault else ComposeRuntime
    return RUNTIMES[chosen.name](settings), fault or "a Docker engine answers"


def engine_fault() -> str:
    """Returns why no Docker engine answers; empty if one does."""
    docker = shutil.which("docker")
    if not docker:
        return "there is no docker command"
    try:
        command = [docker, "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=ENGINE_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return f"{Path(docker).name} does not work"
    return "no Docker engine answers" if done.returncode else ""
