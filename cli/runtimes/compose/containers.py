"""The platform's containers and networks, as Docker lists them."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass

from cli.environments import inherited
from cli.programs import output
from orionbox.errors import CommandError
from orionbox.services import BY_NAME

FORMAT = '{{.Label "com.docker.compose.service"}}\t{{.Names}}\t{{.State}}\t{{.Status}}\t{{.ID}}\t{{.Ports}}'
PUBLISHED = re.compile(r":(\d+)(?:-(\d+))?->")
IN_USE = re.compile(r"already allocated|address already in use|ports are not available")
"""How Docker's versions say that a port is taken. The last is Docker Desktop's."""
ADDRESSED_PORT = re.compile(r"[\d.\]]:([1-9]\d*)")
"""A port with its address, like 127.0.0.1:4200."""
REMOVAL_TIMEOUT = 20
"""Seconds in which every container of a flow run must be removed."""


@dataclass(frozen=True)
class Container:
    """A container of one service, in Docker's words: `status` is like "Up 3 seconds (healthy)" or "Exited (1) ..."."""

    service: str
    name: str
    state: str
    status: str
    id: str
    ports: str = ""
    """Where Docker publishes its ports, like "127.0.0.1:4200->4200/tcp, 0.0.0.0:8443-8444->8443-8444/tcp"."""

    @property
    def is_healthy(self) -> bool:
        """Whether its health check passes."""
        return self.state == "running" and self.status.endswith("(healthy)")

    @property
    def is_ready(self) -> bool:
        """Whether it is healthy, or a one-shot that has succeeded."""
        return self.is_healthy or self.has_succeeded

    @property
    def has_succeeded(self) -> bool:
        """Whether it is a one-shot and exited with 0. A service that does so was stopped."""
        return self.service not in BY_NAME and self.state == "exited" and self.status.startswith("Exited (0)")

    @property
    def has_failed(self) -> bool:
        """Whether it has exited, and Docker does not start it again."""
        return self.state in ("exited", "dead") and not self.has_succeeded


def list_services(platform: str) -> list[Container]:
    """Returns all containers of a platform's services, stopped ones too.

    Args:
        platform: its name, which is its compose project's.
    """
    labels = (f"com.docker.compose.project={platform}", "com.docker.compose.oneoff=False")
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    lines = output("docker", "ps", "--all", "--no-trunc", "--format", FORMAT, *filters).splitlines()
    return [Container(*line.split("\t")) for line in lines]


def published_ports(containers: Iterable[Container]) -> set[int]:
    """Returns the ports of this machine that lead to these containers now."""
    ranges = [found for container in containers for found in PUBLISHED.findall(container.ports)]
    return {port for first, last in ranges for port in range(int(first), int(last or first) + 1)}


def refused_ports(platform: str) -> set[int]:
    """Returns the ports that Docker could not publish at the last try, because something else has them."""
    names = [container.name for container in list_services(platform) if not container.ports]
    errors = output("docker", "inspect", "--format", "{{.State.Error}}", *names).splitlines() if names else []
    return {int(port) for error in errors if IN_USE.search(error) for port in ADDRESSED_PORT.findall(error)}


def running(platform: str) -> set[str]:
    """Returns the services that are running."""
    return {container.service for container in list_services(platform) if container.state == "running"}


def remove(platform: str, services: tuple[str, ...]) -> bool:
    """Stops and removes the containers of these services; True if there were any."""
    names = [container.name for container in list_services(platform) if container.service in services]
    if names:
        output("docker", "stop", *names)
        output("docker", "rm", *names)
    return bool(names)


def list_networks(platform: str) -> dict[str, bool]:
    """Returns a platform's networks by name, and whether each is internal.

    Without those that the user has made for several machines: docs/scale.md.
    """
    of_platform = ("--filter", f"label=com.docker.compose.project={platform}", "--filter", "driver=bridge")
    lines = output("docker", "network", "ls", "--format", "{{.Name}} {{.Internal}}", *of_platform).splitlines()
    return {name: internal == "true" for name, internal in (line.split() for line in lines)}


def restarts(containers: list[Container]) -> dict[str, int]:
    """Returns how often Docker has restarted each of them by itself, by name."""
    names = [container.name for container in containers]
    lines = output("docker", "inspect", "--format", "{{.Name}} {{.RestartCount}}", *names).splitlines() if names else []
    return {name.lstrip("/"): int(count) for name, count in (line.split() for line in lines)}


def was_out_of_memory(name: str) -> bool:
    """Returns whether the kernel ended the container because it took more memory than it may."""
    return ask("docker", "inspect", "--format", "{{.State.OOMKilled}}", name).stdout.strip() == "true"


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that may fail, because a container may have gone meanwhile."""
    return subprocess.run(command, env=inherited.for_tools(), capture_output=True, text=True, errors="replace")


# --- flow runs, which Compose does not know ---


def list_runs(platform: str, *options: str) -> list[str]:
    """Returns the ids of the containers of a platform's flow runs, stopped ones too.

    Args:
        platform: its name.
        options: more options for `docker ps`.
    """
    labels = ("--filter", f"label=orionbox.project={platform}", "--filter", "label=orionbox.run=true")
    return output("docker", "ps", "--all", "--quiet", "--no-trunc", *labels, *options).split()


def remove_runs(platform: str) -> None:
    """Removes the containers of flow runs.

    Raises:
        CommandError: a container cannot be removed.
    """
    deadline = time.monotonic() + REMOVAL_TIMEOUT
    while runs := list_runs(platform):
        try:
            output("docker", "rm", "--force", *runs)
        except CommandError:  # for example, the agent is removing it right now
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
