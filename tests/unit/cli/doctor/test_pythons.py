"""The checks of the Pythons and installers that the embedded runtime needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.doctor.machine import Answer
from tests.unit.cli.doctor.fake_machine import Doctor, FakeMachine, Line


def new(machine: FakeMachine) -> FakeMachine:
    """The machine before the virtual environments are built."""
    return replace(machine, has_environments=False)


def test_nothing_is_needed_once_the_virtual_environments_are_built(machine: FakeMachine, doctor: Doctor) -> None:
    bare = replace(machine, python="").but(**{"python3_-m_pip": None})
    printed = doctor(bare, runtime="embedded")
    assert (
        "ok    environments    built; neither Python nor package index is needed until their sources change" in printed
    )
    assert printed[-1] == "exit 0"


def test_before_that_python_pip_and_index_are_checked(machine: FakeMachine, doctor: Doctor) -> None:
    printed = doctor(new(machine), runtime="embedded")
    subjects = [line[6:21].strip() for line in printed]
    assert subjects[4:7] == ["python", "pip", "package index"] and printed[-1] == "exit 0"


def test_a_missing_python_is_downloaded_by_the_first_start(machine: FakeMachine, line: Line) -> None:
    printed = line(replace(new(machine), python=""), "python ", runtime="embedded")
    assert printed.startswith(
        "warn  python          there is no Python 3.11, 3.12 or 3.13; the first start downloads 3.13"
    )


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({}, "ok    pip             works"),
        ({"python3_-c": ""}, "ok    pip             python3 has none that works; a virtual environment gets its own"),
        ({"uv": ""}, "ok    pip             python3 has none that works; your uv takes its place"),
        ({"x": ""}, "fail  pip             python3 has neither a pip that works nor venv; fix: Debian, Ubuntu: sudo"),
    ],
)
def test_uv_is_installed_by_whatever_is_there(
    machine: FakeMachine, line: Line, answers: dict[str, str | Answer], text: str
) -> None:
    without_pip = answers and {"python3_-m_pip": Answer(False, "No module named pip")}
    assert line(new(machine).but(**{**without_pip, **answers}), "pip", runtime="embedded").startswith(text)


def test_postgres_does_not_run_as_root_without_setpriv(machine: FakeMachine, line: Line) -> None:
    root = replace(machine, uid=0)
    assert line(root, "setpriv", runtime="embedded").startswith("fail  setpriv         is missing")
