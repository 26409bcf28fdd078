"""The progress of a month: a run writes it to its log, and the command line draws bars from it.

Standard library only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

PAUSE = 1.0
"""Seconds before the first progress report of a month and between two; most months take less and need none."""
MESSAGE = re.compile(r"(?P<source>\S+): (?P<rows>[\d,]+) rows -> (?P<target>\S+)(?: so far, (?P<percent>\d+) %)?")


class Rows(Protocol):
    """A batch of rows, such as a pyarrow record batch."""

    @property
    def num_rows(self) -> int:
        """Returns the number of rows."""


Batch = TypeVar("Batch", bound=Rows)


class Progress(NamedTuple):
    """The progress of a month in one line of the log."""

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
    fraction_of: Callable[[int], float],
) -> Iterator[Batch]:
    """Passes the batches on, and reports once a second how much has passed.

    Args:
        batches: the month's rows.
        report: takes a line of text, for example a log's `info`.
        source: where the rows come from, one word.
        target: where they go, one word.
        fraction_of: returns which part of the month, from 0 to 1, this number of rows is.
    """
    rows, last_report = 0, time.monotonic()
    for batch in batches:
        yield batch
        rows += batch.num_rows
        if time.monotonic() - last_report >= PAUSE:
            last_report = time.monotonic()
            report(f"{source}: {rows:,} rows -> {target} so far, {min(fraction_of(rows), 1) * 100:.0f} %")


def parse(message: str) -> Progress | None:
    """Returns the progress that the line reports, or None if it is about something else."""
    found = MESSAGE.match(message)
    if not found:
        return None
    percent = found["percent"]
    return Progress(found["source"], found["target"], found["rows"], None if percent is None else int(percent))
