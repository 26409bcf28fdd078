"""Colors for lines on a terminal, and for nothing else: a file or another program gets the plain text."""

from __future__ import annotations

import os
import sys

RED, GREEN, YELLOW = 31, 32, 33
"""ECMA-48, 8.3.117: SGR, select graphic rendition."""


def red(text: str) -> str:
    """Returns the text in red: an error."""
    return _colored(text, RED)


def green(text: str) -> str:
    """Returns the text in green: a success."""
    return _colored(text, GREEN)


def yellow(text: str) -> str:
    """Returns the text in yellow: a warning."""
    return _colored(text, YELLOW)


def _colored(text: str, color: int) -> str:
    """Returns the text with the color, if standard output is a terminal that shows it; see https://no-color.org."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{color}m{text}\x1b[0m"
