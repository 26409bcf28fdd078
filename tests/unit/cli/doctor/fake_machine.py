"""A machine on which nothing is wrong, until a test changes one of its answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cli.doctor import docker
from cli.doctor.machine import Answer, Disk, Machine, Owner
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, OrionboxError

INFO = "20.10.24|Debian GNU/Linux 12|8000000000|[name=apparmor]||2027-01-15T08:00:01.421723392Z\n"
NOW = 1_800_000_000
"""2027-01-15 08:00 UTC."""


HEALTHY = {
    "git log": "1700000000\n",
    "docker info": INFO,
    "docker version": "",
    "docker context inspect": "unix:///var/run/docker.sock\n",
    "docker compose version": "2.26.1-4\n",
    "docker buildx version": "github.com/docker/buildx 0.13.1 x\n",
    "docker image inspect": "[]",
    "docker ps": "",
    "ss": "",
    "python3 -m pip": "pip 24.0",
}


NOT_BUILT = Answer(False, "No such image")


@dataclass(frozen=True)
class FakeMachine(Machine):
    """One that has these programs, and ports in use; each program answers to its first words."""

    answers: dict[str, str | Answer] = field(default_factory=dict)
    used_ports: frozenset[int] = frozenset()
    taken_ports: Mapping[str, int] = field(default_factory=dict)
    """Ports that the platform took because its own were in use, by the name of their setting."""
    owners: Mapping[int, Owner] = field(default_factory=dict)
    """Who listens on a port without Docker."""
    disks: Mapping[str, Disk] = field(default_factory=dict)
    """By the folder; one that is not named has room enough."""
    refusal: OrionboxError | None = None
    """Why no runtime is chosen."""
    limits: Mapping[str, float] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    """Names of files and folders that this user cannot use."""
    write_errors: Mapping[str, str] = field(default_factory=dict)
    """By the name of the folder."""
    has_environments: bool = True
    python: str = "/usr/bin/python3.13"
    cpu_count: float = 4
    engine_process: int = 7
    kind_of_disk: str = "ext4"
    answering: frozenset[tuple[str, int]] = frozenset()
    """Hosts and ports that accept connections."""
    pip: Mapping[str, str] = field(default_factory=dict)
    uid: int = 1000
    is_inside_container: bool = False
    docker_program: str = "/usr/bin/docker"
    hides_processes: bool = False
    owner_refusal: BadInputError | None = None
    """Why the commands refuse the platform's name."""

    @property
    def python_version(self) -> str:
        return "3.11"

    @property
    def is_mac(self) -> bool:
        return False

    @property
    def is_container(self) -> bool:
        return self.is_inside_container

    @property
    def shows_processes(self) -> bool:
        return not self.hides_processes

    def refuse_platform(self, settings: Settings) -> BadInputError | None:
        return self.owner_refusal

    @property
    def user(self) -> int:
        return self.uid

    @property
    def pip_options(self) -> Mapping[str, str]:
        return self.pip

    @property
    def are_environments_built(self) -> bool:
        return self.has_environments

    def has(self, program: str) -> bool:
        return any(words.split()[0] == program for words in self.answers)

    def which(self, program: str) -> str | None:
        return self.docker_program if program == "docker" else None

    def ask(self, *command: str, seconds: float = 20) -> Answer:
        text = " ".join(command)
        known = [words for words in self.answers if f"{text} ".startswith(f"{words} ")]
        answer = self.answers[max(known, key=len)] if known else Answer(False, "")
        return answer if isinstance(answer, Answer) else Answer(True, answer)

    def choose_runtime(self, name: str, settings: Settings) -> tuple[str, str]:
        if self.refusal:
            raise self.refusal
        problem = docker.problem(self)
        return name or ("embedded" if problem else "compose"), problem.text if problem else "Docker is running"

    def now(self) -> float:
        return NOW

    def disk(self, folder: Path) -> Disk:
        return self.disks.get(str(folder), Disk(1, 50_000, 1_000_000))

    def cpus(self) -> float:
        return self.cpu_count

    def limit(self, name: str) -> tuple[float, float]:
        return self.limits.get(name, math.inf), self.limits.get(name, math.inf)

    def process_named(self, name: str) -> int:
        return self.engine_process

    def cannot_write(self, folder: Path) -> str:
        return self.write_errors.get(folder.name, "")

    def can_use(self, path: Path, to_write: bool) -> bool:
        return path.name not in self.closed

    def file_system(self, folder: Path) -> str:
        return self.kind_of_disk

    def can_connect(self, host: str, port: int) -> bool:
        return (host, port) in self.answering

    def saved_ports(self, settings: Settings, runtime: str, preferred: Mapping[str, int]) -> dict[str, int]:
        return {**preferred, **self.taken_ports}

    def port_obstacle(self, port: int) -> str:
        return "is in use on this machine" if port in self.used_ports else ""

    def port_owner(self, port: int) -> Owner:
        return self.owners.get(port) or Owner(self._name_by_tools(port))

    def but(self, **answers: str | Answer | None) -> FakeMachine:
        """The same machine with other answers, by the command with `_` for the space; without those that are None."""
        changed = {**self.answers, **{name.replace("_", " "): answer for name, answer in answers.items()}}
        return replace(self, answers={name: answer for name, answer in changed.items() if answer is not None})

    def with_free(self, megabytes: int) -> FakeMachine:
        """The same machine with that much room on the checkout's disk."""
        return replace(self, disks={str(self.root): Disk(1, megabytes, 1_000_000)})


Doctor = Callable[..., list[str]]


Line = Callable[..., str]


def not_built(machine: FakeMachine, **answers: str | Answer | None) -> FakeMachine:
    """The machine before the first build, with the base images there."""
    missing = {"docker_image_inspect_orionbox/flows:" + env_file.version(): NOT_BUILT}
    return machine.but(**{**missing, **answers})
