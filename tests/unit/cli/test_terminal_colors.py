"""Colors go to a terminal, and to nothing else."""

from __future__ import annotations

import sys

import pytest

from cli.terminal_colors import green, red, yellow


@pytest.mark.parametrize(
    ("is_terminal", "environment", "is_colored"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_only_a_terminal_that_wants_them_gets_colors(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, environment: dict[str, str], is_colored: bool
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    for paint in (red, green, yellow):
        assert paint("text").endswith("text\x1b[0m" if is_colored else "text")
        assert paint("text").startswith("\x1b[" if is_colored else "text")
