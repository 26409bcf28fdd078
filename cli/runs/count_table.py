"""The count table of a run: rows by month and store."""

from __future__ import annotations

from typing import Any

from orionbox.runs.report import STORE_TITLES, STORES
from orionbox.trips.kinds import current_word


def count_table(months: list[dict[str, Any]]) -> str:
    """Returns the rows by month and store, with a total, as text."""
    rows: list[tuple[str, ...]] = [("month", "data", *STORE_TITLES.values())]
    for month in months:
        name = f"{month['color']} {month['year']}-{month['month']:02}"
        rows.append((name, current_word(month["source"]), *(f"{month['rows'][store]:,}" for store in STORES)))
    total = (f"{sum(month['rows'][store] for month in months):,}" for store in STORES)
    rows.append(("total", "", *total))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [_line(row, widths) for row in rows]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    left = [f"{cell:<{width}}" for cell, width in zip(row[:2], widths)]
    right = [f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:])]
    return "  ".join(left + right)
