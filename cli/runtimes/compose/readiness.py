"""Waits until every service of the platform is usable."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection

from cli.programs import last_lines, say
from cli.runtimes.compose import containers
from cli.runtimes.compose.containers import Container
from orionbox.errors import CommandError

PAUSE = 0.2
"""Seconds between two checks."""
RECOVERY_SECONDS = 20
"""Seconds in which a service that has crashed, or whose health check fails, may still recover."""
REPORT_SECONDS = 10
"""Seconds after which a line names the services that are not ready yet."""


def wait_until_usable(platform: str, start: float, timeout: float, before: Collection[str] = ()) -> None:
    """Returns when every service is healthy and every one-shot has succeeded; prints a line for each when it is ready.

    Args:
        platform: the platform's name.
        start: the moment from which seconds are counted, of `time.monotonic`.
        timeout: seconds from then on in which all must be usable.
        before: the ids of containers that were healthy already and are not worth a line.

    Raises:
        CommandError: a service was not ready in time, or has failed; the error has the end of each log.
    """
    usable, waiting = set(before), containers.list_services(platform)
    restarts, failing_since, last_line = containers.restarts(waiting), dict[str, float](), start
    while waiting:
        found, now = containers.list_services(platform), time.monotonic()
        new = [container for container in found if container.id not in usable and container.is_ready]
        usable.update(container.id for container in new)
        waiting = [container for container in found if container.id not in usable]
        for name in _failing(waiting, restarts):
            failing_since.setdefault(name, now)
        if new or (waiting and now - last_line > REPORT_SECONDS):
            last_line = now
            _report(new, waiting, now - start)
        failed = [one for one in waiting if one.has_failed or now - failing_since.get(one.name, now) > RECOVERY_SECONDS]
        if failed or (waiting and now - start > timeout):
            raise CommandError(describe_failure(waiting), "see more with: make logs SERVICE=name")
        time.sleep(PAUSE if waiting else 0)


def _failing(waiting: list[Container], restarts: dict[str, int]) -> list[str]:
    """Returns the names of those that crashed since the start, or whose health check fails."""
    crashed = [name for name, count in containers.restarts(waiting).items() if count > restarts.get(name, 0)]
    return crashed + [container.name for container in waiting if container.is_unhealthy]


def _report(ready: list[Container], waiting: list[Container], seconds: float) -> None:
    for container in ready:
        say(f"  {container.service:<14} {'ready' if container.is_healthy else 'done'} after {seconds:.1f} s")
    if not ready:
        say(f"  waiting for {', '.join(sorted(container.service for container in waiting))} ({seconds:.0f} s)")


def describe_failure(failed: list[Container]) -> str:
    """Returns what went wrong: the state of these containers, and the end of their logs."""
    lines = ["the platform did not start:"]
    for one in failed:
        log = subprocess.run(["docker", "logs", "--tail", "15", one.name], capture_output=True, text=True)
        lines.append(f"  {one.service} ({one.status}):\n{last_lines(log.stdout + log.stderr, 15)}")
    return "\n".join(lines)
