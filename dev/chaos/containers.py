"""Finds the platform's containers, and kills, pauses and disconnects them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import uuid4

from cli.programs import output
from cli.runtimes.compose import containers
from cli.runtimes.ownership import FOLDER
from dev.throwaway_platform import ThrowawayPlatform
from orionbox.errors import CommandError

CUT = "/opt/chaos/cut.py"
NOTICED_WITHIN = 30
"""Seconds in which Docker notices that a container's process has ended."""


class Containers:
    """The containers of a platform, by service."""

    def __init__(self, platform: ThrowawayPlatform, image: str) -> None:
        """Takes the image of the helpers, which needs a shell and Python; it is never pulled."""
        self.platform, self.image = platform, image
        self._helpers: dict[str, str] = {}

    def id_of_service(self, service: str) -> str:
        """Returns the id of a service's container, running or not.

        Raises:
            CommandError: the service has no container.
        """
        project = f"label=com.docker.compose.project={self.platform.name}"
        name = f"label=com.docker.compose.service={service}"
        ids = output("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", project, "--filter", name).split()
        if not ids:
            raise CommandError(f"{service}: has no container")
        return ids[0]

    def filters(self) -> list[str]:
        """Returns options of `docker ps` that choose the containers of services and of flow runs."""
        return ["--filter", f"label={FOLDER}={self.platform.root}"]

    def remove_images(self, tag: str) -> None:
        """Removes the images of a tag that an experiment has built."""
        images = output("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference=*/*:{tag}*")
        output("docker", "rmi", *images.split())

    def run_ids(self, *options: str) -> list[str]:
        """Returns the ids of the containers of flow runs, stopped ones too."""
        return containers.list_runs(self.platform.name, *options)

    def unhealthy(self) -> list[str]:
        """Returns the services that are not healthy, each with its state."""
        all_of_them = containers.list_services(self.platform.name)
        return [
            f"{container.service}: {container.status}"
            for container in all_of_them
            if container.service != "bootstrap" and not container.is_healthy
        ]

    def kill(self, *containers: str) -> None:
        """Kills their first processes by SIGKILL, as the kernel does when memory runs out.

        Docker restarts such a container. After `docker kill` it does not, because it treats that as a user's stop.
        Returns when Docker has noticed it: until then it calls the container healthy.
        """
        killer = self.helper("killer", "--pid=host", "--cap-drop=ALL", "--cap-add=KILL")
        processes = _processes(containers)
        output("docker", "exec", killer, "sh", "-c", "kill -9 $*", "kill", *processes)
        deadline = time.monotonic() + NOTICED_WITHIN
        while set(processes) & set(_processes(containers)) and time.monotonic() < deadline:
            time.sleep(0.1)

    def helper(self, name: str, *options: str) -> str:
        """Returns the id of a container in which commands can be run as root; the first call starts it."""
        if name not in self._helpers:
            run = ("docker", "run", "--detach", "--user=0", "--network=none", "--init", *options)
            self._helpers[name] = output(*run, self.image, "sleep", "infinity").strip()
        return self._helpers[name]

    def close(self) -> None:
        """Removes the helpers."""
        if self._helpers:
            output("docker", "rm", "--force", *self._helpers.values())

    @contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """Stops the service's processes; its connections stay open."""
        container = self.id_of_service(service)
        output("docker", "pause", container)
        try:
            yield
        finally:
            output("docker", "unpause", container)

    @contextmanager
    def cut_off(self, container: str, services: Iterable[str]) -> Iterator[None]:
        """Drops what the container sends to the services, as an unplugged cable does."""
        addresses = [self.address(service) for service in services]
        self._cut("cut", container, addresses)
        try:
            yield
        finally:
            if container in self.run_ids("--filter", "status=running"):
                self._cut("restore", container, addresses)

    def _cut(self, action: str, container: str, addresses: list[str]) -> None:
        rights = (f"--network=container:{container}", "--user=0", "--cap-drop=ALL", "--cap-add=NET_ADMIN")
        program = f"--volume={self.platform.root / 'dev/chaos/inside/cut.py'}:{CUT}:ro"
        # With --rm, an older Docker may remove it before the client has read its exit code
        name = f"{self.platform.name}-{action}-{uuid4().hex[:8]}"
        output("docker", "run", f"--name={name}", *rights, program, self.image, "python", CUT, action, *addresses)
        output("docker", "rm", name)

    def address(self, service: str) -> str:
        """Returns the service's address on the network of the runs."""
        form = f'{{{{(index .NetworkSettings.Networks "{self.platform.name}").IPAddress}}}}'
        return output("docker", "inspect", "--format", form, self.id_of_service(service)).strip()


def _processes(containers: Sequence[str]) -> list[str]:
    """Returns the ids of the containers' first processes; none of one that has ended and was removed."""
    found = []
    for container in containers:
        with suppress(CommandError):
            found.append(output("docker", "inspect", "--format", "{{.State.Pid}}", container).strip())
    return [process for process in found if process != "0"]
