"""`./orionbox doctor`, line by line, on machines that answer as the test says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cli import __main__ as command_line
from cli.doctor import checks, docker
from cli.doctor.checks import Check
from cli.doctor.machine import Answer, Finding, ok
from cli.runtimes import choose
from cli.runtimes.embedded.users import account
from cli.settings.settings import Settings
from orionbox.errors import CommandError
from tests.unit.cli.doctor.fake_machine import Doctor, FakeMachine, Line


def test_every_line_is_ok_if_nothing_is_wrong(machine: FakeMachine, doctor: Doctor) -> None:
    *lines, code = doctor(machine)
    assert [line for line in lines if not line.startswith("ok ")] == [] and code == "exit 0"
    subjects = (
        "python3 settings runtime checkout engine name compose buildx images ports proxy memory cpu ca gcp disk clock"
    )
    assert [line.split()[1] for line in lines] == subjects.split()


def test_for_the_embedded_runtime_only_what_it_needs_is_checked(machine: FakeMachine, doctor: Doctor) -> None:
    *lines, code = doctor(replace(machine, answers={"git log": "", "ss": ""}), runtime="embedded")
    assert [line for line in lines if not line.startswith("ok ")] == [] and code == "exit 0"
    subjects = "python3 settings runtime checkout environments ports proxy memory cpu disk shared limits clock"
    assert [line.split()[1] for line in lines] == subjects.split()


def test_quick_checks_print_nothing_if_nothing_is_wrong_and_ask_no_engine(
    machine: FakeMachine, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "check_engine", lambda *arguments: pytest.fail("the engine was asked"))
    assert doctor(machine, quick=True) == ["exit 0"]
    assert doctor(machine.with_free(300), quick=True)[0].startswith("fail  disk ")


def test_wrong_settings_are_a_line_and_the_other_checks_go_on(machine: FakeMachine, doctor: Doctor) -> None:
    (machine.root / ".env").write_text("ORIONPORT=4300\n")
    *lines, code = doctor(machine)
    assert "fail  settings        unknown setting ORIONPORT in .env (did you mean ORION_PORT?)" in lines
    assert len(lines) > 10 and code == "exit 1"
    (machine.root / ".env").write_text("ORION_PORT=none\n")
    assert "fail  settings        .env: ORION_PORT=none: not a port; fix: use a number" in "\n".join(doctor(machine))


def test_without_a_name_it_says_which_runtime_is_used_and_why(machine: FakeMachine, line: Line, doctor: Doctor) -> None:
    assert line(machine, "runtime") == "ok    runtime         compose would be used (Docker is running)"
    assert line(machine, "runtime", runtime="embedded") == "ok    runtime         embedded, as RUNTIME says"
    stopped = machine.but(
        docker_version=Answer(False, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")
    )
    printed = line(stopped, "runtime")
    assert printed.startswith(
        "warn  runtime         embedded would be used (the engine is not running); docs/embedded.md"
    )
    assert "; fix: nothing to do; or for Docker: " in printed and doctor(stopped)[-1] == "exit 0"


def test_a_runtime_that_the_commands_refuse_to_choose_is_a_failure(machine: FakeMachine, line: Line) -> None:
    refused = replace(
        machine, refusal=CommandError("platform orionbox runs on Docker, which does not answer", "start it")
    )
    assert line(refused, "runtime") == (
        "fail  runtime         platform orionbox runs on Docker, which does not answer; fix: start it"
    )
    assert line(refused, "engine").startswith("ok "), "the other checks go on"


def test_settings_that_the_embedded_runtime_does_not_have_are_a_failure(machine: FakeMachine, doctor: Doctor) -> None:
    (machine.root / ".env").write_text("TASK_RUNNER=dask\n")
    expected = (
        "fail  settings        .env: TASK_RUNNER=dask: needs Docker, which the embedded runtime does not use; fix: use"
    )
    assert [each for each in doctor(machine, runtime="embedded") if each.startswith(expected)]


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(
    machine: FakeMachine, doctor: Doctor, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> Finding:
        raise ValueError("no number")

    monkeypatch.setattr(checks, "check_cpus", fail)
    assert line(machine, "cpu").startswith("warn  cpu             could not be checked (ValueError: no number); fix:")
    assert doctor(machine)[-2:] == ["ok    clock           2027-01-15 08:00 UTC", "exit 0"]


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied", ".env"), ValueError("odd")])
def test_settings_that_cannot_be_read_are_a_failure(
    machine: FakeMachine, line: Line, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*arguments: object) -> Settings:
        raise error

    monkeypatch.setattr(Settings, "read", refuse)
    assert line(machine, "settings").startswith("fail ") and ".env" in line(machine, "settings")


def test_a_check_that_hangs_is_a_finding_and_keeps_what_it_has_found() -> None:
    ending = threading.Event()

    def hang() -> Iterator[Finding]:
        yield ok("disk", "12 GB free here")
        ending.wait()

    try:
        found = checks.run(Check("disk", hang, 0.2))
    finally:
        ending.set()
    assert [str(each)[:60] for each in found] == [
        "ok    disk            12 GB free here",
        "warn  disk            could not be checked: no answer within",
    ]


def test_the_command_works_with_wrong_settings(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (machine.root / ".env").write_text("ORIONPORT=4300\n")
    monkeypatch.setattr(checks, "Machine", lambda: machine)
    assert command_line.main(["doctor", "--quick"]) == 1
    expected = "fail  settings        unknown setting ORIONPORT in .env (did you mean ORION_PORT?)"
    assert expected in capsys.readouterr().out.splitlines()


def test_make_up_runs_the_quick_checks_before_anything_else(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.read({}, machine.root)
    monkeypatch.setattr(Settings, "read", classmethod(lambda cls, typed: settings))
    monkeypatch.setattr(checks, "Machine", lambda: machine.with_free(300))
    monkeypatch.setattr(choose, "choose", lambda *arguments: pytest.fail("a runtime was chosen"))
    assert command_line.main(["up"]) == 1
    assert capsys.readouterr().out.startswith("fail  disk            300 MB free here")


def test_a_start_that_goes_on_as_another_user_was_checked_as_root(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot write at the top of root's checkout."""
    settings = Settings.read({}, machine.root)
    monkeypatch.setattr(Settings, "read", classmethod(lambda cls, typed: settings))
    monkeypatch.setattr(checks, "Machine", lambda: pytest.fail("it is checked again"))
    monkeypatch.setenv(account.INSTEAD_OF_ROOT, "yes")

    def refuse(*arguments: object) -> None:
        raise CommandError("a runtime was chosen")

    monkeypatch.setattr(choose, "choose", refuse)
    assert command_line.main(["up"]) == 1
