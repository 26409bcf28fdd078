"""The progress of a month: a run writes it to its log, and the command line draws bars from it.

Standard library only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

PAUSE = 1.0
"""Seconds before the first report of a month and between two; most months take less and need none."""
MESSAGE = re.compile(r"(?P<source>\S+): (?P<rows>[\d,]+) rows -> (?P<target>\S+)(?: so far, (?P<percent>\d+) %)?")


class Rows(Protocol):
    """Some rows, a record batch for instance."""

    @property
    def num_rows(self) -> int:
        """Returns how many."""


Batch = TypeVar("Batch", bound=Rows)


class Progress(NamedTuple):
    """What one line of the log says about a month."""

    source: str
    target: str
    rows: str
    """With commas between thousands."""
    percent: int | None
    """None when all rows have arrived."""


def with_progress(
    batches: Iterable[Batch],
    report: Callable[[str], None],
    source: str,
    target: str,
    share: Callable[[int], float],
) -> Iterator[Batch]:
    """Passes the batches on, and reports once a second how much has passed.

    Args:
        batches: the month's rows.
        report: takes a line of text, for example a log's `info`.
        source: where the rows come from, one word.
        target: where they go, one word.
        share: returns the part of the month, from 0 to 1, that this number of rows is.
    """
    rows, last_report = 0, time.monotonic()
    for batch in batches:
        yield batch
        rows += batch.num_rows
        if time.monotonic() - last_report >= PAUSE:
            last_report = time.monotonic()
            report(f"{source}: {rows:,} rows -> {target} so far, {min(share(rows), 1) * 100:.0f} %")


def parse(message: str) -> Progress | None:
    """Returns what the line says about a month's progress, or None if it is about something else."""
    found = MESSAGE.match(message)
    if not found:
        return None
    percent = found["percent"]
    return Progress(found["source"], found["target"], found["rows"], None if percent is None else int(percent))
