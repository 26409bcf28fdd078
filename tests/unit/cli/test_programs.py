"""Running other programs."""

from __future__ import annotations

import io

import pytest

from cli.programs import run_with_input
from orionbox.errors import CommandError


def test_a_program_reads_its_input(capfd: pytest.CaptureFixture[str]) -> None:
    run_with_input(["cat"], io.BytesIO(b"content\n"))
    assert capfd.readouterr().out == "content\n"


def test_a_program_that_fails_before_reading_everything_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match=r"sh -c echo no room >&2; exit 7 \.\.\.: exit 7; its message is above"):
        run_with_input(["sh", "-c", "echo no room >&2; exit 7"], io.BytesIO(bytes(10_000_000)))
    assert capfd.readouterr().err == "no room\n"
