"""The services of a start as containers: which are usable, which have failed, and their last words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Sequence
from pathlib import Path

from cli.runtimes import start_up
from cli.runtimes.compose import containers
from cli.runtimes.compose.containers import Container
from cli.runtimes.failures import LINES, LastWords, data_folders
from cli.runtimes.start_up import MOST_EXITS, Look


def wait_until_usable(platform: str, began: float, before: Collection[str] = (), only: Collection[str] = ()) -> None:
    """Returns when every service is healthy and every one-shot has succeeded; prints a line for each when it is ready.

    Args:
        platform: the platform's name.
        began: the moment from which seconds are counted, of `time.monotonic`.
        before: the ids of containers that were healthy already and are not worth a line.
        only: the services to wait for; all if none is named.

    Raises:
        StartError: a service has failed, or nothing has moved for too long; the error has the end of each log.
    """
    start_up.wait_until_ready(StartingContainers(platform, before, only), began)


class StartingContainers:
    """The containers of one start."""

    pause = 0.2

    def __init__(self, platform: str, before: Collection[str] = (), only: Collection[str] = ()) -> None:
        self._platform, self._usable, self._only = platform, set(before), only
        self._restarts = containers.restarts(self._list())
        self._waiting: list[Container] = []

    def _list(self) -> list[Container]:
        found = containers.list_services(self._platform)
        return [container for container in found if not self._only or container.service in self._only]

    def look(self) -> Look:
        """Looks at every container that is not usable yet.

        A failing health check fails no start: on a slow machine, every check may be late.
        """
        found = [container for container in self._list() if container.id not in self._usable]
        new = [container for container in found if container.is_ready]
        self._usable.update(container.id for container in new)
        self._waiting = [container for container in found if not container.is_ready]
        exits = self._count_exits()
        failed = [one for one in self._waiting if one.has_failed or exits[one.name] >= MOST_EXITS]
        return Look(
            [f"{container.service:<14} {'ready' if container.is_healthy else 'done'}" for container in new],
            [container.service for container in self._waiting],
            [container.name for container in failed],
        )

    def _count_exits(self) -> Counter[str]:
        """Returns how often each has exited by itself since the start, by the container's name."""
        return Counter(containers.restarts(self._waiting)) - Counter(self._restarts)

    def progress(self) -> Iterator[Hashable]:
        """Yields their states and the last lines of their logs."""
        for container in self._waiting:
            yield f"{container.service} {container.id} {container.status}"
            yield from (f"{container.service}: {line}" for line in _end_of_log(container.name).splitlines())

    def last_words(self, names: Sequence[str]) -> list[LastWords]:
        """Returns the last words of the containers with these names, or of these services."""
        exits = self._count_exits()
        chosen = [one for one in self._waiting if {one.name, one.service} & set(names)]
        return [_last_words(one, exits[one.name]) for one in chosen]

    def folders(self) -> list[Path]:
        """Returns the checkout and Docker's own folder."""
        return data_folders(is_in_docker=True)


def _last_words(container: Container, exits: int) -> LastWords:
    killed = ", out of memory" if containers.was_out_of_memory(container.name) else ""
    times = f", exited {exits} times" if exits else ""
    log = _end_of_log(container.name)
    return LastWords(container.service, f"{container.status}{times}{killed}", log, _health(container.name))


def _end_of_log(name: str) -> str:
    log = containers.ask("docker", "logs", "--tail", str(LINES), name)
    return log.stdout + log.stderr


def _health(name: str) -> str:
    """Returns what the container's health check said last; empty if it has none, or was content."""
    template = "{{if .State.Health}}{{json .State.Health.Log}}{{end}}"
    checks = containers.ask("docker", "inspect", "--format", template, name).stdout.strip()
    failed = [check["Output"].strip() for check in json.loads(checks or "[]") or [] if check["ExitCode"]]
    return next(filter(None, reversed(failed)), "")
