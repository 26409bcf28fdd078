"""The platform's containers: what they are, and waiting until all are as they should be."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass

from ctl import dotenv
from ctl.shell import CommandError, last_lines, output, say

PAUSE = 0.2
"""Seconds between two looks."""
PATIENCE = 20
"""Seconds in which a service that has crashed, or whose health check fails, may still recover."""
FORMAT = '{{.Label "com.docker.compose.service"}}\t{{.Names}}\t{{.State}}\t{{.Status}}\t{{.ID}}'


@dataclass(frozen=True)
class Container:
    """A container of one service, in Docker's words: `status` is like "Up 3 seconds (healthy)" or "Exited (1) ..."."""

    service: str
    name: str
    state: str
    status: str
    id: str

    @property
    def is_healthy(self) -> bool:
        """Whether its health check passes."""
        return self.state == "running" and self.status.endswith("(healthy)")

    @property
    def is_well(self) -> bool:
        """Whether it is as it should be."""
        return self.is_healthy or self.has_ended_well

    @property
    def has_ended_well(self) -> bool:
        """Whether it was a one-shot, and has done its work."""
        return self.state == "exited" and self.status.startswith("Exited (0)")

    @property
    def has_failed(self) -> bool:
        """Whether it will not come to be as it should by waiting."""
        return self.state in ("exited", "dead") and not self.has_ended_well

    @property
    def is_sick(self) -> bool:
        """Whether it runs, and its health check has failed time and again."""
        return self.status.endswith("(unhealthy)")


def all_of_the_platform() -> list[Container]:
    """All containers of the platform's services, stopped ones too."""
    return all_of(dotenv.load()["COMPOSE_PROJECT_NAME"])


def all_of(project: str) -> list[Container]:
    """The same, of any platform."""
    labels = (f"com.docker.compose.project={project}", "com.docker.compose.oneoff=False")
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    lines = output("docker", "ps", "--all", "--no-trunc", "--format", FORMAT, *filters).splitlines()
    return [Container(*line.split("\t")) for line in lines]


def runs_of(project: str, *options: str) -> list[str]:
    """The ids of the containers of a platform's flow runs, stopped ones too: compose does not know them.

    Args:
        project: the platform's name.
        options: more of `docker ps`.
    """
    labels = ("--filter", f"label=orionbox.project={project}", "--filter", "label=orionbox.run=true")
    return output("docker", "ps", "--all", "--quiet", "--no-trunc", *labels, *options).split()


def running() -> set[str]:
    """The services that run."""
    return {container.service for container in all_of_the_platform() if container.state == "running"}


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
