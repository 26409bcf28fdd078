"""Which months the platform can serve, and how many rows each real one has. Standard library only.

`row_counts.csv` has the months of the course's release. Its column `confirmed` says whether a published total or a
complete file supports the figure. The figures for `fhv` that are not confirmed come from the TLC's parquet files, which
have a few rows more than the CSV files of the release. They are reduced by equal shares, so that 2019 has the
43,244,696 rows that the course publishes.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

from orionbox.trips.months import FIRST_MONTH, LAST_MONTH, csv_name

TABLE = Path(__file__).with_suffix(".csv")
FIRST_OF_TLC = {"yellow": (2009, 1), "green": (2014, 1), "fhv": (2015, 1)}
"""The first month that the TLC publishes, by color."""


class AnyMonth(Protocol):
    """What names a month, for example a `TripFile`."""

    @property
    def color(self) -> str:
        """`yellow`, `green` or `fhv`."""

    @property
    def year(self) -> int:
        """Four digits."""

    @property
    def month(self) -> int:
        """From 1 to 12."""


class Month(NamedTuple):
    """A month of any color that the platform serves files of; unlike `TripFile`, it may be one without tables."""

    color: str
    year: int
    month: int

    @property
    def csv_name(self) -> str:
        """Returns for example `fhv_tripdata_2019-02.csv.gz`."""
        return csv_name(*self)

    @property
    def csv_path(self) -> str:
        """Returns the file's path below the release's URL and below `data/`."""
        return f"{self.color}/{self.csv_name}"

    @property
    def in_release(self) -> bool:
        """Returns whether the course's release has this month."""
        return self.color in FIRST_OF_TLC and FIRST_MONTH <= (self.year, self.month) <= LAST_MONTH


def published_rows(month: AnyMonth) -> int | None:
    """Returns the rows of the real month; None if the table does not have it."""
    return _table().get((month.color, month.year, month.month))


def fewest_rows(month: AnyMonth) -> int:
    """Returns the fewest rows with which a file is the whole month; 0 if the table does not have the month.

    Figures that are not confirmed may be too large by a few rows, so they allow for one percent.
    """
    rows = published_rows(month) or 0
    return rows if (month.color, month.year, month.month) in _confirmed() else rows - rows // 100


def expected_rows(month: AnyMonth) -> int:
    """Returns the rows of the real month, or an estimate from the nearest months of its color.

    The estimate lies on the line between the nearest earlier and the nearest later month. Before the first month and
    after the last, it is that month's number. It is 0 for a color of which no month is known.
    """
    if (known := published_rows(month)) is not None:
        return known
    months = {12 * year + number: rows for (color, year, number), rows in _table().items() if color == month.color}
    if not months:
        return 0
    wanted = 12 * month.year + month.month
    before = max((number for number in months if number < wanted), default=min(months))
    after = min((number for number in months if number > wanted), default=max(months))
    if before >= wanted or after <= wanted:
        return months[before if after <= wanted else after]
    share = (wanted - before) / (after - before)
    return round(months[before] + share * (months[after] - months[before]))


@lru_cache
def _table() -> dict[tuple[str, int, int], int]:
    return {_key(row): int(row["rows"]) for row in _lines()}


@lru_cache
def _confirmed() -> frozenset[tuple[str, int, int]]:
    return frozenset(_key(row) for row in _lines() if row["confirmed"] == "yes")


def _lines() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _key(row: dict[str, str]) -> tuple[str, int, int]:
    return row["color"], int(row["year"]), int(row["month"])
