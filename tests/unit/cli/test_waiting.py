"""The line about a wait that takes long."""

from __future__ import annotations

import sys
import threading

import pytest

from cli import waiting

LONGEST = 30
"""Seconds after which a test gives up."""


class Terminal:
    """Standard error; knows when something was written."""

    def __init__(self, error: type[OSError] | None = None) -> None:
        self.text, self.error, self.written = "", error, threading.Event()

    def write(self, text: str) -> None:
        self.text += text
        self.written.set()
        if self.error:
            raise self.error

    def flush(self) -> None:
        """Does nothing."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.001)
    monkeypatch.setattr(waiting, "LONGEST_GAP", 0.001)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("error", [None, OSError])
def test_a_long_wait_says_what_it_waits_for(error: type[OSError] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(error)
    monkeypatch.setattr(sys, "stderr", terminal)
    with waiting.waiting_for(lambda: "postgres to end"):
        assert terminal.written.wait(LONGEST)
        terminal.written.clear()
        assert terminal.written.wait(LONGEST), "and says it again"
    assert terminal.text.startswith("  waiting for postgres to end (0 s)")


def test_a_short_wait_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting.waiting_for("nothing"):
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("impatient")
def test_a_wait_that_fails_ends_its_lines() -> None:
    before = threading.active_count()
    with pytest.raises(ValueError), waiting.waiting_for("nothing"):
        raise ValueError
    assert threading.active_count() == before
