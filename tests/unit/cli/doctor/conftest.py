"""The doctor, run on a fake machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.doctor import checks
from cli.doctor.machine import Machine
from tests.conftest import ROOT
from tests.unit.cli.doctor.fake_machine import HEALTHY, Doctor, FakeMachine


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """One on which nothing is wrong."""
    root = tmp_path / "home/ada/orionbox"
    root.mkdir(parents=True)
    shutil.copy(ROOT / ".env.example", root)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 4000000 kB\n")
    variables = {"HOME": str(tmp_path / "home/ada")}
    return FakeMachine(
        root, tmp_path / "proc", tmp_path / "site", (tmp_path / "media",), tmp_path, variables, dict(HEALTHY)
    )


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs it; returns its lines, and at the end its exit code."""

    def run(machine: Machine, quick: bool = False, runtime: str = "") -> list[str]:
        code = checks.doctor(machine.variables, runtime, quick, machine)
        return [*capsys.readouterr().out.splitlines(), f"exit {code}"]

    return run


@pytest.fixture
def lines(doctor: Doctor) -> Callable[..., list[str]]:
    """Runs it; returns the lines about a subject."""

    def find(machine: Machine, subject: str, **options: str) -> list[str]:
        return [line for line in doctor(machine, **options) if line[6:].startswith(subject)]

    return find


@pytest.fixture
def line(lines: Callable[..., list[str]]) -> Callable[..., str]:
    """Runs it; returns the one line about a subject."""

    def find(machine: Machine, subject: str, **options: str) -> str:
        (printed,) = lines(machine, subject, **options)
        return printed

    return find
