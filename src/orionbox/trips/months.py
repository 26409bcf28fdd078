"""Which taxi files there are, and what each is called everywhere. Standard library only: the host uses it too."""

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
"""What that release holds, in both colours: (year, month), both ends included."""


@dataclass(frozen=True, order=True)
class TripFile:
    """One month of trips of one colour.

    Raises:
        BadInputError: the colour, the year or the month is impossible.
    """

    color: str
    year: int
    month: int

    def __post_init__(self) -> None:
        if self.color not in COLORS:
            raise BadInputError(f"COLOR={self.color}: there is no such colour; use one of {', '.join(COLORS)}")
        if not 2009 <= self.year <= 2099:
            raise BadInputError(f"YEAR={self.year}: taxi trips are on record from 2009; use for example YEAR=2021")
        if not 1 <= self.month <= 12:
            raise BadInputError(f"MONTHS={self.month}: a month is a number from 1 to 12; use for example MONTHS=1,2")

    @property
    def name(self) -> str:
        """For example `green_tripdata_2021-01`."""
        return f"{self.color}_tripdata_{self.year}-{self.month:02}"

    @property
    def csv_path(self) -> str:
        """Where the file lies below the release's URL and below `data/`."""
        return f"{self.color}/{self.csv_name}"

    @property
    def csv_name(self) -> str:
        """The source file's name: the key under which its rows are loaded, and replaced."""
        return f"{self.name}.csv.gz"

    @property
    def object_name(self) -> str:
        """The parquet file's name in the bucket."""
        return f"data/{self.color}/{self.name}.parquet"

    @property
    def table(self) -> str:
        """The table's name, in BigQuery and in Postgres."""
        return table_name(self.color)

    @property
    def in_release(self) -> bool:
        """Whether the course's release has this month."""
        return FIRST_MONTH <= (self.year, self.month) <= LAST_MONTH

    def url(self, release_url: str = RELEASE_URL) -> str:
        """Where the file is fetched from."""
        return f"{release_url}/{self.csv_path}"


@dataclass(frozen=True)
class StagedMonth:
    """A month that lies in the bucket: what one task hands to the next, on whatever machine that runs."""

    trips: TripFile
    uri: str
    """`gs://bucket/name` of the parquet object."""
    source: str
    """Where the CSV came from: `import`, `download` or `synthetic`; empty where that is not known any more."""
    rows: dict[str, int]
    """Rows of the CSV ("source") and of the object ("parquet"), as far as they are known."""
    seconds: dict[str, float]


def table_name(color: str) -> str:
    """The table of a colour's trips."""
    return f"{color}_tripdata"


def trip_files(color: str, year: int, months: Sequence[int]) -> list[TripFile]:
    """The months asked for, in order, each once.

    Raises:
        BadInputError: there is no month among them, or an impossible one.
    """
    if not months:
        raise BadInputError("MONTHS is empty: name at least one month, for example MONTHS=1,2")
    return [TripFile(color, year, month) for month in sorted(set(months))]


def parse_trip_files(color: str, year: str, months: str) -> list[TripFile]:
    """The same from text, as typed after `make`.

    Raises:
        BadInputError: a part is not what it has to be.
    """
    if not re.fullmatch(r"\d{4}", year, re.ASCII):
        raise BadInputError(f"YEAR={year}: not a year; use four digits, for example YEAR=2021")
    if not re.fullmatch(r"\d{1,2}(,\d{1,2})*", months, re.ASCII):
        raise BadInputError(f"MONTHS={months}: not a list of months; use numbers and commas, for example MONTHS=1,2")
    return trip_files(color, int(year), [int(month) for month in months.split(",")])


def parse_csv_path(path: str) -> TripFile | None:
    """The month behind `green/green_tripdata_2021-01.csv.gz`; None where the name is another."""
    match = re.fullmatch(rf"({'|'.join(COLORS)})/\1_tripdata_(\d{{4}})-(\d{{2}})\.csv\.gz", path, re.ASCII)
    return TripFile(match[1], int(match[2]), int(match[3])) if match else None
