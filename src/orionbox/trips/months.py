"""The months of taxi trips, and how each is named in every store. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from orionbox.errors import BadInputError

Color = Literal["yellow", "green"]
COLORS: tuple[str, ...] = get_args(Color)

RELEASE_PATH = "DataTalksClub/nyc-tlc-data/releases/download"
RELEASE_URL = f"https://github.com/{RELEASE_PATH}"
"""The course's release of the TLC's trip records."""
FIRST_MONTH, LAST_MONTH = (2019, 1), (2021, 7)
"""The first and the last month of that release, in both colors: (year, month)."""
GENERATED_MARK = b"orionbox generated"
"""The comment in a generated file's gzip header (RFC 1952, FCOMMENT), which identifies it wherever it is copied."""


@dataclass(frozen=True, order=True)
class TripFile:
    """One month of trips of one color, as a user names it. For any other year or month, use `csv_name`.

    Raises:
        BadInputError: the color, the year or the month is impossible.
    """

    color: str
    year: int
    month: int

    def __post_init__(self) -> None:
        if self.color not in COLORS:
            raise BadInputError(f"COLOR={self.color}: unknown color", f"use one of {', '.join(COLORS)}")
        if not 2009 <= self.year <= 2099:
            raise BadInputError(f"YEAR={self.year}: taxi trips are on record from 2009", "use for example YEAR=2021")
        if not 1 <= self.month <= 12:
            text = f"MONTHS={self.month}: a month is a number from 1 to 12"
            raise BadInputError(text, "use for example MONTHS=1,2")

    @property
    def name(self) -> str:
        """Returns for example `green_tripdata_2021-01`."""
        return month_name(self.color, self.year, self.month)

    @property
    def csv_path(self) -> str:
        """Returns the file's path below the release's URL and below `data/`."""
        return f"{self.color}/{self.csv_name}"

    @property
    def csv_name(self) -> str:
        """Returns the source file's name, by which a load replaces the month's rows."""
        return csv_name(self.color, self.year, self.month)

    @property
    def object_name(self) -> str:
        """Returns the parquet file's name in the bucket."""
        return f"data/{self.color}/{self.name}.parquet"

    @property
    def table(self) -> str:
        """Returns the table's name, in BigQuery and in Postgres."""
        return table_name(self.color)

    @property
    def in_release(self) -> bool:
        """Returns whether the course's release has this month."""
        return FIRST_MONTH <= (self.year, self.month) <= LAST_MONTH

    def url(self, release_url: str = RELEASE_URL) -> str:
        """Returns where the file is downloaded from."""
        return f"{release_url}/{self.csv_path}"


@dataclass(frozen=True)
class StagedMonth:
    """A month whose parquet file is in the bucket. A task passes it to the next, which may run on another machine."""

    trips: TripFile
    uri: str
    """`gs://bucket/name` of the parquet object."""
    source: str
    """The kind of its data: `real`, `excerpt` or `generated`."""
    rows: dict[str, int]
    """Rows of the CSV ("source") and of the object ("parquet"), if they are known."""
    seconds: dict[str, float]
    """Seconds by finished stage."""
    force: bool = False
    """Whether it may replace a stored month of a higher rank: generated data a real month, for example."""


def table_name(color: str) -> str:
    """Returns the name of the table for a color's trips."""
    return f"{color}_tripdata"


def month_name(color: str, year: int, month: int) -> str:
    """Returns for example `green_tripdata_2021-01`, for any year and month."""
    return f"{table_name(color)}_{year}-{month:02}"


def csv_name(color: str, year: int, month: int) -> str:
    """Returns the name of a month's source file, for any year and month."""
    return f"{month_name(color, year, month)}.csv.gz"


def trip_files(color: str, year: int, months: Sequence[int]) -> list[TripFile]:
    """Returns the months in order, each once.

    Raises:
        BadInputError: there are no months, or one is impossible.
    """
    if not months:
        raise BadInputError("MONTHS is empty", "name at least one month, for example MONTHS=1,2")
    return [TripFile(color, year, month) for month in sorted(set(months))]


def parse_trip_files(color: str, year: str, months: str) -> list[TripFile]:
    """Returns the months that a user has typed.

    Raises:
        BadInputError: color, year or months are invalid.
    """
    if not re.fullmatch(r"\d{4}", year, re.ASCII):
        raise BadInputError(f"YEAR={year}: not a year", "use four digits, for example YEAR=2021")
    if not re.fullmatch(r"\d{1,2}(,\d{1,2})*", months, re.ASCII):
        raise BadInputError(f"MONTHS={months}: not a list of months", "use numbers and commas, for example MONTHS=1,2")
    return trip_files(color, int(year), [int(month) for month in months.split(",")])


def parse_csv_path(path: str) -> TripFile | None:
    """Returns the month of a file like `green/green_tripdata_2021-01.csv.gz`; None for the name of any other file."""
    match = re.fullmatch(rf"({'|'.join(COLORS)})/\1_tripdata_(\d{{4}})-(\d{{2}})\.csv\.gz", path, re.ASCII)
    try:
        return TripFile(match[1], int(match[2]), int(match[3])) if match else None
    except BadInputError:  # a stray file, not user input
        return None
