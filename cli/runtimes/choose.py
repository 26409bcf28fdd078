"""Chooses the runtime: compose if Docker is running, otherwise embedded."""

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
        name: as the user typed it; empty to choose automatically.
        settings: those of the runtime.

    Raises:
        BadInputError: there is no runtime of that name.
    """
    if name and name not in RUNTIMES:
        raise BadInputError(f"RUNTIME={name}: there is no such runtime", f"use one of {', '.join(RUNTIMES)}")
    if name:
        return RUNTIMES[name](settings), f"RUNTIME={name}"
    reason = engine.unavailable_reason()
    chosen = EmbeddedRuntime if reason else ComposeRuntime
    return RUNTIMES[chosen.name](settings), reason or "Docker is running"
