"""A file of the release, read to its end."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from orionbox.errors import BadInputError
from orionbox.trips import taxi_file
from orionbox.trips.schema import COLUMNS, FILE_COLUMNS
from tests.conftest import ROOT

HEADER = ",".join(COLUMNS["green"])
MONTH = "green/green_tripdata_2021-01.csv.gz"
GOOD = gzip.compress(f"{HEADER}\n".encode() + os.urandom(100_000).hex().encode() + b"\n")


def a_file(folder: Path, content: bytes, name: str = MONTH) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("month", "rows"), [(1, 76_518), (2, 64_572)])
def test_the_samples_are_whole_real_months(month: int, rows: int) -> None:
    assert taxi_file.read(ROOT / f"samples/green/green_tripdata_2021-{month:02}.csv.gz") == ("real", rows)


def test_the_sample_of_the_zones_has_all_of_them() -> None:
    assert taxi_file.read(ROOT / "samples/misc/taxi_zone_lookup.csv") == ("real", 265)


@pytest.mark.parametrize(
    ("text", "rows"),
    [("1", 1), ("1\n", 1), ("1\n2\n", 2), ("1\r\n2\r\n", 2), ("1\n2", 2), ("1\n\n\n", 1)],
)
def test_rows_are_lines_below_the_header_without_blank_ones_at_the_end(tmp_path: Path, text: str, rows: int) -> None:
    path = a_file(tmp_path, gzip.compress(f"{HEADER}\n{text}".encode()))
    assert taxi_file.read(path) == ("excerpt", rows)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<html>", "not a complete gzip file"),
        (b"\x1f\x8b", "not a complete gzip file"),
        (gzip.compress(b"<html>"), "line 1: not the header of a green taxi file"),
        (gzip.compress(",".join(COLUMNS["yellow"]).encode()), "line 1: the header lacks 'lpep_pickup_datetime'"),
        (gzip.compress(f"{HEADER}\n".encode()), "there is no trip below the header"),
        (gzip.compress(f"{HEADER},tip\n1\n".encode()), "line 1: the header has unknown 'tip'"),
        (gzip.compress(f"{HEADER},extra\n1\n".encode()), "line 1: the header repeats a column"),
        (gzip.compress(b"\xff\xfe\n1\n"), "line 1: no CSV text in UTF-8"),
        (GOOD[: len(GOOD) // 2], "not a complete gzip file"),
        (GOOD[:-1], "not a complete gzip file"),
        (GOOD[:50_000] + bytes(100) + GOOD[50_100:], "not a complete gzip file"),
    ],
)
def test_a_file_that_is_not_a_complete_taxi_file_is_named_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = a_file(tmp_path, content)
    with pytest.raises(BadInputError, match=f"{path}.*{reason}"):
        taxi_file.read(path)


def test_for_hire_vehicles_are_files_of_the_release_too(tmp_path: Path) -> None:
    header = ",".join(FILE_COLUMNS["fhv"])
    path = a_file(tmp_path, gzip.compress(f"{header}\n1\n".encode()), "fhv/fhv_tripdata_2019-02.csv.gz")
    assert taxi_file.read(path) == ("excerpt", 1)


@pytest.mark.parametrize(
    "name",
    [
        "green/yellow_tripdata_2021-01.csv.gz",
        "green/green_tripdata_2021-13.csv.gz",
        "pink/pink_tripdata_2021-01.csv.gz",
    ],
)
def test_other_names_are_no_files_of_the_release(name: str) -> None:
    assert taxi_file.release_path(Path("/data") / name) == ""


def test_a_file_that_unpacks_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taxi_file, "LARGEST_FILE", 50_000)
    with pytest.raises(BadInputError, match="unpacks to more than 50,000 bytes"):
        taxi_file.read(a_file(tmp_path, GOOD))


def test_a_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path) -> None:
    link, folder = tmp_path / "green/link", tmp_path / "green/folder"
    folder.mkdir(parents=True)
    link.symlink_to("/nowhere/x")
    assert taxi_file.why_unusable(link) == "a broken link to /nowhere/x"
    assert taxi_file.why_unusable(folder) == "a folder"
    assert taxi_file.why_unusable(tmp_path / "nothing") == "not a file"
