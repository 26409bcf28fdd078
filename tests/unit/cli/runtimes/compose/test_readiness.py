"""Waiting for the platform, with containers that exist only in Docker's words."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cli import waiting
from cli.runtimes import start_up
from cli.runtimes.compose import containers, readiness
from cli.runtimes.failures import OUT_OF_MEMORY, PORT_IN_USE, StartError

UP, STARTING = "running\tUp 3 seconds (healthy)", "running\tUp 1 second (health: starting)"
DONE, FAILED, SICK = (
    "exited\tExited (0) 1 second ago",
    "exited\tExited (3) 1 second ago",
    "running\tUp 1 minute (unhealthy)",
)
AGAIN = "restarting\tRestarting (1) 1 second ago"
Looks = Callable[..., None]
HEALTH = [{"ExitCode": 1, "Output": "no answer\n"}, {"ExitCode": 1, "Output": ""}, {"ExitCode": 0, "Output": "fine"}]


class Docker:
    """What `docker logs` and `docker inspect` of one container print."""

    def __init__(self) -> None:
        self.log, self.health, self.was_out_of_memory = "last words of {}\n", "\n", "false\n"

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Answers a command; the last word of each is the container's name."""
        if command[1] == "logs":
            printed = self.log.format(command[-1])
        else:
            printed = self.was_out_of_memory if "OOMKilled" in command[3] else self.health
        return subprocess.CompletedProcess(command, 0, stdout=printed, stderr="")


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Docker:
    docker = Docker()
    monkeypatch.setattr(subprocess, "run", docker.run)
    return docker


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch, docker: Docker) -> Looks:
    """Tells what each look at the containers finds, by service; the last one is found from then on."""

    def expect(*found: dict[str, str], restarts: Sequence[int] = ()) -> None:
        # Before the first look, the containers are listed once to count their restarts
        left, counts = [found[0], *found], list(restarts)

        def output(*command: str) -> str:
            if command[1] == "ps":
                now = left.pop(0) if len(left) > 1 else left[0]
                return "".join(f"{name}\tbox-{name}-1\t{state}\tid-of-{name}\n" for name, state in now.items())
            assert command[1] == "inspect"
            count = counts.pop(0) if len(counts) > 1 else sum(counts)
            return "".join(f"/{name} {count}\n" for name in command[4:])

        monkeypatch.setattr(containers, "output", output)

    monkeypatch.setattr(readiness.StartingContainers, "pause", 0)
    return expect


def wait(before: Sequence[str] = (), only: Sequence[str] = ()) -> None:
    readiness.wait_until_usable("box", time.monotonic(), before, only)


def test_each_service_is_printed_when_it_is_ready(looks: Looks, capsys: pytest.CaptureFixture[str]) -> None:
    first = {"orion": STARTING, "bootstrap": STARTING, "gcs": UP, "start": UP}
    looks(first, {**first, "orion": UP}, {"orion": UP, "bootstrap": DONE, "gcs": UP, "start": UP})
    wait(before=["id-of-gcs", "id-of-an-older-start"])
    said = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    wanted = [["start", "ready"], ["orion", "ready"], ["bootstrap", "done"]]
    assert said == wanted, "what was ready before is not worth a line; what is anew, and ready at once, is"


def test_a_failed_service_ends_the_wait_with_the_end_of_its_log(looks: Looks) -> None:
    looks({"bootstrap": STARTING, "gcs": UP}, {"bootstrap": FAILED, "gcs": UP})
    with pytest.raises(StartError, match="(?s)bootstrap .*last words of box-bootstrap-1") as error:
        wait()
    assert "gcs" not in str(error.value)


def test_a_service_that_is_stopped_meanwhile_is_not_done(looks: Looks) -> None:
    looks({"orion": STARTING}, {"orion": DONE})
    with pytest.raises(StartError, match=r"orion \(Exited \(0\)"):
        wait()


def test_an_unhealthy_service_ends_no_start_however_often_it_is_seen(looks: Looks) -> None:
    looks({"agent": STARTING}, *[{"agent": SICK}] * 99, {"agent": STARTING}, {"agent": SICK}, {"agent": UP})
    wait()


def test_three_exits_end_the_start_with_the_reason_and_what_to_do(looks: Looks, docker: Docker) -> None:
    docker.log = "[Errno 98] error while attempting to bind on address ('0.0.0.0', 4200): address already in use\n"
    looks({"orion": STARTING}, {"orion": AGAIN}, restarts=[2, 2, 3, 4, 5])
    with pytest.raises(StartError, match=r"orion \(Restarting \(1\) 1 second ago, exited 3 times\)") as error:
        wait()
    assert error.value.kinds == {PORT_IN_USE} and error.value.fix.startswith("take other ports: make down")


def test_two_exits_and_those_before_the_start_are_ignored(looks: Looks) -> None:
    starting = {"orion": STARTING}
    looks(starting, starting, starting, starting, {"orion": UP}, restarts=[7, 7, 8, 9, 9])
    wait()


def test_memory_that_ran_out_is_named(looks: Looks, docker: Docker) -> None:
    docker.was_out_of_memory, docker.log = "true\n", ""
    looks({"bigquery": STARTING}, {"bigquery": AGAIN}, restarts=[0, 3])
    with pytest.raises(StartError, match="exited 3 times, out of memory") as error:
        wait()
    assert error.value.kinds == {OUT_OF_MEMORY} and "memory ran out" in error.value.fix


def test_a_start_in_which_nothing_moves_ends_with_all_that_is_known(
    looks: Looks, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_up, "CHECK_SECONDS", -1)
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0)
    monkeypatch.setattr(start_up, "LIMIT", -1)
    docker.log, docker.health = "", json.dumps(HEALTH)
    looks({"orion": SICK})
    with pytest.raises(StartError, match=r"nothing has moved(.|\n)*\(unhealthy\)\):\n    health check: no answer"):
        wait()


def test_services_that_are_not_ready_are_printed_after_a_while(
    looks: Looks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start_up, "CHECK_SECONDS", -1)
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0)
    first = {"orion": STARTING, "gcs": UP}
    looks(first, first, {"orion": UP, "gcs": UP})
    wait()
    assert "  waiting for orion (0 s)\n" in capsys.readouterr().out


def test_only_the_named_services_are_waited_for(looks: Looks) -> None:
    looks({"orion": FAILED, "postgres": STARTING}, {"orion": FAILED, "postgres": UP})
    wait(only=["postgres"])


def test_a_new_line_in_a_log_is_progress_and_a_repeated_one_is_not(looks: Looks, docker: Docker) -> None:
    looks({"orion": STARTING})
    services = readiness.StartingContainers("box")
    patience = start_up.Patience(limit=10, clock=iter([0, 1, 10, 19, 29]).__next__)
    services.look()
    docker.log = "migration 1\n"
    patience.see(services.progress())
    docker.log = "migration 2\nmigrated\n"
    patience.see(services.progress())
    assert not patience.is_over
    docker.log = "migrated\nmigration 3\n"
    patience.see(services.progress())
    assert patience.is_over
