"""Chooses the runtime: the one of this checkout's platform; for a new platform compose if Docker is running."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cli.programs import ROOT
from cli.runtimes import checkout
from cli.runtimes.compose import engine
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.runtimes.embedded.runtime import EmbeddedRuntime
from cli.runtimes.runtime import Runtime
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError

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
        CommandError: this checkout has the platform on Docker, which does not answer.
    """
    if name and name not in RUNTIMES:
        raise BadInputError(f"RUNTIME={name}: there is no such runtime", f"use one of {', '.join(RUNTIMES)}")
    if name:
        return RUNTIMES[name](settings), f"RUNTIME={name}"
    platform = settings.platform
    known = {record.runtime for record in checkout.records(ROOT) if record.platform == platform}
    if known == {EmbeddedRuntime.name}:
        return EmbeddedRuntime(settings), f"platform {platform} runs without Docker"
    problem = engine.problem()
    if problem and known:
        raise CommandError(
            f"platform {platform} of this checkout runs on Docker, and {problem.text}; nothing was changed",
            f"{problem.fix}; or name the runtime: RUNTIME={EmbeddedRuntime.name} is another platform, without Docker",
        )
    if problem:
        return EmbeddedRuntime(settings), problem.text
    return ComposeRuntime(settings), "Docker is running"
