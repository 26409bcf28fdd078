"""What is done to containers: processes killed, containers paused and stopped, cables cut."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from cli.programs import output
from cli.runtimes.compose import containers
from dev.throwaway_platform import OwnPlatform
from orionbox.errors import CommandError

CUT = "/opt/chaos/cut.py"


class Containers:
    """The containers of a platform, by service."""

    def __init__(self, platform: OwnPlatform, image: str) -> None:
        """`image` is one with a shell and Python, for the helpers: it is never pulled."""
        self.platform, self.image = platform, image
        self._helpers: dict[str, str] = {}

    def of(self, service: str) -> str:
        """The container of a service, running or not.

        Raises:
            CommandError: there is none.
        """
        project = f"label=com.docker.compose.project={self.platform.name}"
        name = f"label=com.docker.compose.service={service}"
        found = output("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", project, "--filter", name).split()
        if not found:
            raise CommandError(f"{service}: there is no such container")
        return found[0]

    def filters(self) -> list[str]:
        """For `docker ps`: the services' containers and those of flow runs; what a person started is not among them."""
        return ["--filter", f"network={self.platform.name}"]

    def remove_images(self, tag: str) -> None:
        """Removes what was built under a tag of the trial's own."""
        images = output("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference=*/*:{tag}*")
        output("docker", "rmi", *images.split())

    def runs(self, *options: str) -> list[str]:
        """The containers of flow runs, stopped ones too."""
        return containers.runs_of(self.platform.name, *options)

    def unhealthy(self) -> list[str]:
        """The services that are not as they should be, each with its state."""
        found = containers.all_of(self.platform.name)
        return [f"{one.service}: {one.status}" for one in found if one.service != "bootstrap" and not one.is_healthy]

    def kill(self, *containers: str) -> None:
        """Ends their first processes by SIGKILL, as the kernel does where memory is short.

        `docker kill` is something else: the engine takes it for the user's wish, and starts nothing again.
        """
        processes = output("docker", "inspect", "--format", "{{.State.Pid}}", *containers).split()
        killer = self.helper("killer", "--pid=host", "--cap-drop=ALL", "--cap-add=KILL")
        output("docker", "exec", killer, "sh", "-c", "kill -9 $*", "kill", *processes)

    def helper(self, name: str, *options: str) -> str:
        """A container of ours that waits to be told what to do, as root; it is there from the first call on."""
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
        """Its processes stand still, and its connections stay open."""
        container = self.of(service)
        output("docker", "pause", container)
        try:
            yield
        finally:
            output("docker", "unpause", container)

    @contextmanager
    def cut_off(self, container: str, services: Iterable[str]) -> Iterator[None]:
        """What the container sends to the services is lost on the way, as with a cable that is out."""
        addresses = [self.address(service) for service in services]
        self._cut("cut", container, addresses)
        try:
            yield
        finally:
            self._cut("mend", container, addresses)

    def _cut(self, action: str, container: str, addresses: list[str]) -> None:
        if action == "mend" and container not in self.runs("--filter", "status=running"):
            return
        rights = (f"--network=container:{container}", "--user=0", "--cap-drop=ALL", "--cap-add=NET_ADMIN")
        program = f"--volume={self.platform.root / 'dev/chaos/inside/cut.py'}:{CUT}:ro"
        # With --rm an older engine may have removed it before the client has asked for its exit code
        name = f"{self.platform.name}-{action}-{uuid4().hex[:8]}"
        output("docker", "run", f"--name={name}", *rights, program, self.image, "python", CUT, action, *addresses)
        output("docker", "rm", name)

    def address(self, service: str) -> str:
        """Its address on the platform's network."""
        form = f'{{{{(index .NetworkSettings.Networks "{self.platform.name}").IPAddress}}}}'
        return output("docker", "inspect", "--format", form, self.of(service)).strip()


def pause(seconds: float) -> None:
    """Lets a fault last."""
    time.sleep(seconds)
