"""A machine on which nothing is wrong, until a test changes one of its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cli.doctor.machine import Answer, Machine
from cli.settings import env_file

INFO = "20.10.24|Debian GNU/Linux 12|8000000000|[name=apparmor]\n"


HEALTHY = {
    "sh": "",
    "git log": "1700000000\n",
    "docker info": INFO,
    "docker compose version": "2.26.1-4\n",
    "docker buildx version": "github.com/docker/buildx 0.13.1 x\n",
    "docker image inspect": "[]",
    "docker ps": "",
    "ss": "",
}


NOT_BUILT = Answer(False, "No such image")


@dataclass(frozen=True)
class FakeMachine(Machine):
    """One that has these programs, and ports in use; each program answers to its first words."""

    answers: dict[str, str | Answer] = field(default_factory=dict)
    used_ports: frozenset[int] = frozenset()
    disk_mb: int = 50_000
    python_version = "3.11"

    def has(self, program: str) -> bool:
        return any(words.split()[0] == program for words in self.answers)

    def ask(self, *command: str, seconds: float = 20) -> Answer:
        text = " ".join(command)
        known = [words for words in self.answers if f"{text} ".startswith(f"{words} ")]
        answer = self.answers[max(known, key=len)] if known else Answer(False, "")
        return answer if isinstance(answer, Answer) else Answer(True, answer)

    def now(self) -> float:
        return 1_800_000_000

    def free_disk_mb(self) -> int:
        return self.disk_mb

    def is_port_free(self, port: int) -> bool:
        return port not in self.used_ports

    def but(self, **answers: str | Answer | None) -> FakeMachine:
        """The same machine with other answers, by the command with `_` for the space; without those that are None."""
        changed = {**self.answers, **{name.replace("_", " "): answer for name, answer in answers.items()}}
        return replace(self, answers={name: answer for name, answer in changed.items() if answer is not None})


Doctor = Callable[..., list[str]]


Line = Callable[..., str]


def not_built(machine: FakeMachine, **answers: str | Answer | None) -> FakeMachine:
    """The machine before the first build, with the base images there."""
    missing = {"docker_image_inspect_orionbox/flows:" + env_file.version(): NOT_BUILT}
    return machine.but(**{**missing, **answers})
