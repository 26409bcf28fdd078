"""The platform's containers: what they are, and waiting until all are as they should be."""

from __future__ import annotations

from dataclasses import dataclass

from cli.programs import output
from cli.settings import env_file

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
    return all_of(env_file.load()["COMPOSE_PROJECT_NAME"])


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
