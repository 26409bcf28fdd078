"""`./orionbox` and make's short form: what is typed wrong is refused before anything starts."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli import __main__ as command_line
from cli import status
from cli.runtimes import choose, platforms
from cli.runtimes.runtime import Runtime
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that has only .env.example, and in which no runtime may be chosen."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("a runtime was chosen")

    shutil.copy(env_file.EXAMPLE, tmp_path)
    read = Settings.read
    monkeypatch.setattr(Settings, "read", classmethod(lambda cls, typed: read(typed, tmp_path)))
    monkeypatch.setattr(choose, "choose", refuse)
    for name in ("MAKEFLAGS", "RUNTIME", *env_file.parse(env_file.EXAMPLE)):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def make(monkeypatch: pytest.MonkeyPatch, command: str, *variables: str) -> int:
    """What `make COMMAND VARIABLE...` comes to, with make's own quoting."""
    quoted = [variable.replace("\\", "\\\\").replace(" ", "\\ ").replace("$", "$$") for variable in variables]
    monkeypatch.setenv("MAKEFLAGS", f" -- {' '.join(quoted)}")
    return command_line.main([command, "--make"])


@pytest.mark.parametrize("command", ["run-etl", "ingest", "data"])
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("MONTHS=13", "MONTHS=13: a month is a number from 1 to 12"),
        ("COLOR=pink", "COLOR=pink: unknown color"),
        ("YEAR=abc", "YEAR=abc: not a year"),
        ("YEAR=2031", "green 2031-01: no such month; the release has 2019-01 to 2021-07"),
        ("MONTHS=1;ls", "MONTHS=1;ls: not a list of months"),
        ("MONTHS=$(echo 1)", "MONTHS=$(echo 1): not a list of months"),
        ("MONTHS=", "MONTHS=: not a list of months"),
        ("MONTHS=0", "MONTHS=0: a month is a number from 1 to 12"),
        ("MONTHS=-1", "MONTHS=-1: not a list of months"),
        ("MONTHS=1.5", "MONTHS=1.5: not a list of months"),
        ("MONTHS=1-3", "MONTHS=1-3: not a list of months"),
        ("COLOR=yellow'; DROP TABLE zones; --", "COLOR=yellow'; DROP TABLE zones; --: unknown color"),
        ("COLOR=../../etc", "COLOR=../../etc: unknown color"),
        ("YEAR=21", "YEAR=21: not a year"),
        ("YEAR=1999", "YEAR=1999: taxi trips are on record from 2009"),
        ("COLOUR=green", "unknown variable COLOUR (did you mean COLOR?)"),
        ("WORKERS=0", "WORKERS=0: not a number of workers"),
    ],
)
def test_a_bad_argument_is_reported_with_the_fix_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkout: Path,
    command: str,
    argument: str,
    message: str,
) -> None:
    assert make(monkeypatch, command, argument) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(message) and len(lines) <= 2
    assert not (checkout / ".env").exists(), "nothing was started, nothing was written"


@pytest.mark.parametrize("command", ["up", "run-etl"])
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("TASK_RUNNER=spark", "TASK_RUNNER=spark: not a task runner"),
        ("ENGINE=spark", "TASK_RUNNER=spark: not a task runner"),
        ("WORKERS=many", "WORKERS=many: not a number of workers"),
        ("CLOUD=aws", "CLOUD=aws: not a cloud"),
    ],
)
def test_a_bad_setting_on_make_s_command_line_is_refused_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, argument: str, message: str
) -> None:
    assert make(monkeypatch, command, argument) == 2
    assert capsys.readouterr().out.startswith(message)


@pytest.mark.parametrize("arguments", [["fly"], ["up", "--fast"], ["run-etl", "--color"], ["run-etl", "green"]])
def test_a_wrong_command_line_gets_two_lines_and_no_traceback(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(arguments) == 2
    assert len(capsys.readouterr().out.splitlines()) <= 2


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main([]) == 2 and "./orionbox run-etl" in capsys.readouterr().out
    assert command_line.main(["help", "--make"]) == 0 and "make run-etl" in capsys.readouterr().out


def test_the_runtime_may_be_an_option_a_variable_of_make_or_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def choose_it(name: str, settings: Settings) -> None:
        raise BadInputError(f"chosen: {name}")

    monkeypatch.setattr(choose, "choose", choose_it)
    command_line.main(["--runtime", "embedded", "down"])
    make(monkeypatch, "down", "RUNTIME=embedded")
    monkeypatch.setenv("MAKEFLAGS", "")
    monkeypatch.setenv("RUNTIME", "embedded")
    command_line.main(["down"])
    assert capsys.readouterr().out.splitlines() == ["chosen: embedded"] * 3


@pytest.mark.parametrize(
    ("error", "code"), [(BadInputError("wrong", "do this"), 2), (CommandError("broken", "do this"), 1)]
)
def test_an_error_is_its_text_and_its_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(choose, "choose", fail)
    assert command_line.main(["down"]) == code
    assert capsys.readouterr().out == f"{error.args[0]}\ndo this\n"


@pytest.mark.parametrize(("arguments", "is_on_stdout"), [(["status"], True), (["status", "--json"], False)])
def test_json_is_alone_on_standard_output(
    arguments: list[str], is_on_stdout: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that `./orionbox status --json | jq` works."""
    runtime = SimpleNamespace(name="embedded", leave_root=lambda: None)
    monkeypatch.setattr(choose, "choose", lambda name, settings: (runtime, "RUNTIME=embedded"))
    monkeypatch.setattr(status, "show_status", lambda runtime, as_json: 0)
    assert command_line.main(arguments) == 0
    printed = capsys.readouterr()
    assert "runtime: embedded" in (printed.out if is_on_stdout else printed.err)
    assert bool(printed.out) is is_on_stdout


@pytest.mark.parametrize("arguments", [["backup"], ["psql", "--sql", "SELECT 1"], ["inbox"]])
def test_a_platform_that_was_never_started_holds_nothing_to_show_or_to_keep(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no method that starts it; an empty backup would look like a success."""

    def chosen(name: str, settings: Settings) -> tuple[object, str]:
        never = SimpleNamespace(
            name="embedded", settings=settings, leave_root=lambda: None, prepare=lambda: None, exists=lambda: False
        )
        return never, "RUNTIME=embedded"

    monkeypatch.setattr(choose, "choose", chosen)
    monkeypatch.setattr(platforms, "describe", lambda runtime: "this checkout has other platforms, too")
    assert command_line.main(arguments) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].startswith("this checkout has no platform orionbox (embedded): there ")
    assert lines[-2:] == ["start it: make up", "this checkout has other platforms, too"]


@pytest.mark.parametrize(
    ("exists", "states", "line"),
    [
        (True, {}, "nothing is running of platform orionbox; start it: make up"),
        (False, {}, "this checkout has no platform orionbox; start it: make up"),
        (True, {"orion": "starting", "gcs": "healthy"}, "some services are not healthy; run: make up"),
        (
            True,
            {"orion": "healthy", "bootstrap": "done"},
            "the settings or files have changed since the start",
        ),
    ],
)
def test_a_status_says_why_the_platform_cannot_be_used(
    exists: bool,
    states: dict[str, str],
    line: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    platform = SimpleNamespace(
        name="compose",
        settings=settings,
        prepare=lambda: None,
        require_own=lambda: None,
        status=lambda: states,
        is_up=lambda: False,
        exists=lambda: exists,
    )
    monkeypatch.setattr(platforms, "describe", lambda runtime: "")
    status.show_status(cast(Runtime, cast(Any, platform)), as_json=False)
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1].startswith(line) and ("SERVICE" in printed) == bool(states)


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(choose, "choose", interrupt)
    assert command_line.main(["down"]) == 130 and capsys.readouterr().out == "interrupted\n"
