"""Chooses the runtime: compose where a container engine answers, embedded elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cli.runtimes.compose import engine
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.runtimes.embedded.runtime import EmbeddedRuntime
from cli.runtimes.runtime import Runtime
from cli.settings.settings import Settings
from orionbox.errors import BadInputError

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
    fault = engine.fault()
    chosen = EmbeddedRuntime if fault else ComposeRuntime
    return RUNTIMES[chosen.name](settings), fault or "a Docker engine answers"
