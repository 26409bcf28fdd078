"""Reads a file of the release to its end: checksum, header, columns, rows, kind of data. Standard library only."""

from __future__ import annotations

import csv
import gzip
import os
import re
import zlib
from pathlib import Path
from typing import IO, NamedTuple

from orionbox.errors import BadInputError
from orionbox.trips.kinds import MARK_BYTES, is_generated, kind_of
from orionbox.trips.lines import LARGEST_FILE, LineCounter
from orionbox.trips.row_counts import Month
from orionbox.trips.schema import FILE_COLUMNS, file_columns

ZONES = ("misc/taxi_zone_lookup.csv", "misc/taxi+_zone_lookup.csv")
CHUNK = 1 << 20
LONGEST_HEADER = 65_536
"""The most bytes of a header line."""


class Contents(NamedTuple):
    """What is in a file."""

    kind: str
    rows: int


def release_path(path: Path) -> str:
    """Returns a file's place below the release's URL and below data/; empty if it is not a file of the release."""
    name = f"{path.parent.name}/{path.name}"
    return name if name in ZONES or parse_month(name) else ""


def parse_month(name: str) -> Month | None:
    """Returns the month of a file like `fhv/fhv_tripdata_2019-02.csv.gz`; None for the name of any other file."""
    match = re.fullmatch(r"([a-z]+)/\1_tripdata_(\d{4})-(\d{2})\.csv\.gz", name, re.ASCII)
    month = Month(match[1], int(match[2]), int(match[3])) if match else None
    return month if month and month.color in FILE_COLUMNS and 1 <= month.month <= 12 else None


def why_unusable(path: Path) -> str:
    """Returns why the file cannot be opened; empty if it can."""
    if path.is_symlink() and not path.exists():
        return f"a broken link to {os.readlink(path)}"
    if path.is_dir():
        return "a folder"
    if not path.is_file():
        return "not a file"
    return "" if os.access(path, os.R_OK) else "not readable for this user"


def read(path: Path) -> Contents:
    """Reads a file of the release.

    Raises:
        BadInputError: it cannot be opened, is cut off or damaged, or is no taxi file.
    """
    if reason := why_unusable(path):
        raise BadInputError(f"{path}: {reason}")
    with path.open("rb") as file:
        return read_open(file, release_path(path), str(path))


def read_open(file: IO[bytes], name: str, origin: str) -> Contents:
    """Reads an open file of the release from its start to its end.

    Args:
        file: the file.
        name: its name in the release, such as `green/green_tripdata_2021-01.csv.gz`.
        origin: where its content comes from, for messages.

    Raises:
        BadInputError: it is cut off or damaged, or is no taxi file.
    """
    file.seek(0)
    month = parse_month(name)
    if not month:
        return _read_zones(file, origin)
    start = file.read(MARK_BYTES)
    file.seek(0)
    if not start:
        raise BadInputError(f"{origin}: the file is empty")
    try:
        with gzip.open(file) as content:
            _check_header(content.readline(LONGEST_HEADER), month, origin)
            rows = LineCounter(content, origin, LARGEST_FILE).read_to_the_end(CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInputError(f"{origin}: not a complete gzip file ({error})") from error
    if not rows:
        raise BadInputError(f"{origin}: there is no trip below the header")
    return Contents(kind_of(month, rows, is_generated(start)), rows)


def _read_zones(file: IO[bytes], origin: str) -> Contents:
    if b"LocationID" not in file.readline(LONGEST_HEADER):
        raise BadInputError(f"{origin}, line 1: not the header of the taxi zones")
    return Contents("real", LineCounter(file, origin, LARGEST_FILE).read_to_the_end(CHUNK))


def _check_header(line: bytes, month: Month, origin: str) -> None:
    try:
        columns = next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{origin}, line 1: no CSV text in UTF-8 ({error})") from error
    expected = list(file_columns(month.color, month.year))
    missing = [column for column in expected if column not in columns]
    unknown = [column for column in columns if column not in expected]
    if len(missing) == len(expected):
        raise BadInputError(f"{origin}, line 1: not the header of a {month.color} taxi file")
    if missing or unknown or len(columns) != len(expected):
        parts = [
            f"{what} {', '.join(map(repr, which))}"
            for what, which in (("lacks", missing), ("has unknown", unknown))
            if which
        ]
        raise BadInputError(f"{origin}, line 1: the header {' and '.join(parts) or 'repeats a column'}")
