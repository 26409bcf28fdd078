"""Writes tables of results into docs/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orionbox.errors import CommandError


def replace_between_marks(page: str, text: str, begin: str, end: str, path: Path) -> str:
    """Returns the page with the new text between its marks.

    Args:
        page: the page as it is.
        text: replaces what is between the marks.
        begin: the mark before the text.
        end: the mark after it.
        path: the page's file, for the error.

    Raises:
        CommandError: the page does not have the marks.
    """
    before, opening, rest = page.partition(begin)
    _, closing, after = rest.partition(end)
    if not (opening and closing):
        raise CommandError(
            f"docs/{path.name} has no place for results", f"add these two lines to it: {begin} and {end}"
        )
    return f"{before}{begin}\n{text}\n{end}{after}"


def markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Returns a table."""
    rule = ["---"] * len(headings)
    return "\n".join(f"| {' | '.join(line)} |" for line in [headings, rule, *lines])
