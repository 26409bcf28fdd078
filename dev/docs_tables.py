"""Generated parts of the pages in docs/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orionbox.errors import CommandError


def put_in(page: str, text: str, begin: str, end: str, path: Path) -> str:
    """The page with the text between its marks.

    Raises:
        CommandError: the marks are not there.
    """
    before, found, rest = page.partition(begin)
    _, closing, after = rest.partition(end)
    if not (found and closing):
        raise CommandError(f"docs/{path.name} has no place for results: it must hold {begin} and {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table."""
    rule = ["---"] * len(headings)
    return "\n".join(f"| {' | '.join(line)} |" for line in [headings, rule, *lines])
