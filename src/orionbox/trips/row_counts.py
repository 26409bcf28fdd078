"""How many rows each real month has. Standard library only.

`row_counts.csv` has the months of the course's release. Its column `confirmed` says whether a published total or a
complete file supports the figure.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from orionbox.trips.months import TripFile

TABLE = Path(__file__).with_suffix(".csv")


def published_rows(trips: TripFile) -> int | None:
    """Returns the rows of the real month; None if the table does not have it."""
    return _table().get((trips.color, trips.year, trips.month))


def expected_rows(trips: TripFile) -> int:
    """Returns the rows of the real month, or an estimate from the nearest months of its color.

    The estimate lies on the line between the nearest earlier and the nearest later month. Before the first month and
    after the last, it is that month's number. It is 0 for a color of which no month is known.
    """
    if (known := published_rows(trips)) is not None:
        return known
    months = {12 * year + month: rows for (color, year, month), rows in _table().items() if color == trips.color}
    if not months:
        return 0
    wanted = 12 * trips.year + trips.month
    before = max((month for month in months if month < wanted), default=min(months))
    after = min((month for month in months if month > wanted), default=max(months))
    if before >= wanted or after <= wanted:
        return months[before if after <= wanted else after]
    share = (wanted - before) / (after - before)
    return round(months[before] + share * (months[after] - months[before]))


@cache
def _table() -> dict[tuple[str, int, int], int]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {(row["color"], int(row["year"]), int(row["month"])): int(row["rows"]) for row in csv.DictReader(file)}
