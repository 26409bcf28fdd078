"""Waiting for the platform, with containers that exist only in Docker's words."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cli.runtimes.compose import containers, readiness
from orionbox.errors import CommandError

UP, STARTING = "running\tUp 3 seconds (healthy)", "running\tUp 1 second (health: starting)"
DONE, FAILED, SICK = (
    "exited\tExited (0) 1 second ago",
    "exited\tExited (3) 1 second ago",
    "running\tUp 1 minute (unhealthy)",
)
Looks = Callable[..., None]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """Tells what each look at the containers finds, by service; the last one is found from then on."""

    def expect(*found: dict[str, str], restarts: Sequence[int] = ()) -> None:
        left, counts = list(found), iter(restarts)

        def output(*command: str) -> str:
            if command[1] == "ps":
                now = left.pop(0) if len(left) > 1 else left[0]
                return "".join(f"{name}\tbox-{name}-1\t{state}\tid-of-{name}\n" for name, state in now.items())
            assert command[1] == "inspect"
            return "".join(f"/{name} {next(counts, 0)}\n" for name in command[4:])

        monkeypatch.setattr(containers, "output", output)

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, stdout=f"last words of {command[-1]}\n", stderr="")

    monkeypatch.setattr(readiness.subprocess, "run", run)  # type: ignore[attr-defined]
    monkeypatch.setattr(readiness, "PAUSE", 0)
    return expect


def wait(timeout: float = 60, before: Sequence[str] = ()) -> None:
    readiness.wait_until_usable("box", time.monotonic(), timeout, before)


def test_each_service_is_printed_when_it_is_ready(looks: Looks, capsys: pytest.CaptureFixture[str]) -> None:
    first = {"orion": STARTING, "bootstrap": STARTING, "gcs": UP, "start": UP}
    looks(first, first, {**first, "orion": UP}, {"orion": UP, "bootstrap": DONE, "gcs": UP, "start": UP})
    wait(before=["id-of-gcs", "id-of-an-older-start"])
    said = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    wanted = [["start", "ready"], ["orion", "ready"], ["bootstrap", "done"]]
    assert said == wanted, "what was ready before is not worth a line; what is anew, and ready at once, is"


def test_a_failed_service_ends_the_wait_with_the_end_of_its_log(looks: Looks) -> None:
    looks({"orion": STARTING, "gcs": UP}, {"orion": FAILED, "gcs": UP})
    with pytest.raises(CommandError, match="(?s)orion .*last words of box-orion-1") as error:
        wait()
    assert "gcs" not in str(error.value)


def test_an_unhealthy_service_may_recover(looks: Looks) -> None:
    looks({"agent": SICK}, {"agent": SICK}, {"agent": SICK}, {"agent": UP})
    wait()


def test_a_start_fails_if_a_service_stays_unhealthy(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "RECOVERY_SECONDS", 0)
    looks({"agent": SICK})
    with pytest.raises(CommandError, match="last words of box-agent-1"):
        wait()


def test_a_start_fails_if_a_service_keeps_crashing(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "RECOVERY_SECONDS", 0)
    looks({"orion": STARTING}, restarts=[2, 2, 3, 3])
    with pytest.raises(CommandError, match="last words of box-orion-1"):
        wait()


def test_crashes_before_the_start_are_ignored(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "RECOVERY_SECONDS", 0)
    starting = {"orion": STARTING}
    looks(starting, starting, starting, {"orion": UP}, restarts=[2, 2, 2, 2])
    wait()


def test_a_start_times_out(looks: Looks) -> None:
    looks({"orion": STARTING})
    with pytest.raises(CommandError, match="the platform did not start"):
        wait(timeout=0)


def test_services_that_are_not_ready_are_printed_after_a_while(
    looks: Looks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(readiness, "REPORT_SECONDS", -1)
    first = {"orion": STARTING, "gcs": UP}
    looks(first, first, first, {"orion": UP, "gcs": UP})
    wait()
    assert "  waiting for orion (0 s)\n" in capsys.readouterr().out
