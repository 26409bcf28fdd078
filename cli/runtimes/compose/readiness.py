"""Waits until every service of the platform is usable."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection

from cli.programs import last_lines, output, say
from cli.runtimes.compose.containers import Container, all_of_the_platform
from orionbox.errors import CommandError

PAUSE = 0.2
"""Seconds between two looks."""
PATIENCE = 20
"""Seconds in which a service that has crashed, or whose health check fails, may still recover."""


def not_well() -> list[Container]:
    """The containers that are not as they should be."""
    return [container for container in all_of_the_platform() if not container.is_well]


def healthy() -> set[str]:
    """The ids of the containers whose health check passes."""
    return {container.id for container in all_of_the_platform() if container.is_healthy}


def wait_until_usable(start: float, timeout: float, before: Collection[str] = ()) -> None:
    """Returns when every service is healthy, and every one-shot has done its work; says so of each as it comes.

    Args:
        start: the moment from which seconds are counted, of `time.monotonic`.
        timeout: seconds from then on in which all must be well.
        before: the ids of containers that were healthy already, and are not worth a line.

    Raises:
        CommandError: they are not, or one of them will never be; the text has the last words of each.
    """
    well = set(before)
    restarts, troubled_since = _restarts(all_of_the_platform()), dict[str, float]()
    while True:
        found, now = all_of_the_platform(), time.monotonic()
        for container in found:
            if container.id not in well and container.is_well:
                well.add(container.id)
                word = "ready" if container.is_healthy else "done"
                say(f"  {container.service:<14} {word} after {now - start:.1f} s")
        waiting = [container for container in found if container.id not in well]
        if not waiting:
            return
        crashed = [name for name, count in _restarts(waiting).items() if count > restarts.get(name, 0)]
        for name in crashed + [one.name for one in waiting if one.is_sick]:
            troubled_since.setdefault(name, now)
        lost = [one for one in waiting if one.has_failed or now - troubled_since.get(one.name, now) > PATIENCE]
        if lost or now - start > timeout:
            raise CommandError(last_words(waiting))
        time.sleep(PAUSE)


def _restarts(which: list[Container]) -> dict[str, int]:
    """How often Docker has started each of them again by itself."""
    names = [container.name for container in which]
    lines = output("docker", "inspect", "--format", "{{.Name}} {{.RestartCount}}", *names).splitlines() if names else []
    return {name.lstrip("/"): int(count) for name, count in (line.split() for line in lines)}


def last_words(which: list[Container]) -> str:
    """What went wrong: the state of these containers, and the end of their logs."""
    parts = ["the platform did not start:"]
    for one in which:
        log = subprocess.run(["docker", "logs", "--tail", "15", one.name], capture_output=True, text=True)
        parts.append(f"  {one.service} ({one.status}):\n{last_lines(log.stdout + log.stderr, 15)}")
    return "\n".join([*parts, "see more with: make logs SERVICE=name"])
