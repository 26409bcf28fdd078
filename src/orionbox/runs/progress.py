"""How far a month is on its way: said in the run's log while it lasts, and made a bar of where that is read live.

Standard library only: the host uses it too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

PAUSE = 1.0
"""Seconds until the first word about a month, and between two: most months have arrived by then."""
MESSAGE = re.compile(r"(?P<source>\S+): (?P<rows>[\d,]+) rows -> (?P<target>\S+)(?: so far, (?P<percent>\d+) %)?")


class Rows(Protocol):
    """Some rows, a record batch for instance."""

    @property
    def num_rows(self) -> int:
        """Their number."""


Batch = TypeVar("Batch", bound=Rows)


class Progress(NamedTuple):
    """What one line of the log says of a month's way."""

    source: str
    target: str
    rows: str
    """With commas between thousands."""
    percent: int | None
    """None once all has arrived."""


def told(
    batches: Iterable[Batch],
    tell: Callable[[str], None],
    source: str,
    target: str,
    share: Callable[[int], float],
) -> Iterator[Batch]:
    """The same batches; says once a second how much of them has passed.

    Args:
        batches: the month's rows.
        tell: takes a line of text, for example a log's `info`.
        source: where they come from, one word.
        target: where they go, one word.
        share: the part of the month, from 0 to 1, that so many rows are.
    """
    rows, told_at = 0, time.monotonic()
    for batch in batches:
        yield batch
        rows += batch.num_rows
        if time.monotonic() - told_at >= PAUSE:
            told_at = time.monotonic()
            tell(f"{source}: {rows:,} rows -> {target} so far, {min(share(rows), 1) * 100:.0f} %")


def parse(message: str) -> Progress | None:
    """What the line says of a month's way, if it does."""
    found = MESSAGE.match(message)
    if not found:
        return None
    percent = found["percent"]
    return Progress(found["source"], found["target"], found["rows"], None if percent is None else int(percent))
