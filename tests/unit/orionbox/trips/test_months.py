from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orionbox.errors import BadInputError
from orionbox.trips.months import TripFile, parse_csv_path, parse_trip_files, trip_files
from tests.unit.fuzz import fuzz


def test_a_month_is_called_the_same_everywhere() -> None:
    trips = TripFile("green", 2021, 1)
    assert trips.csv_path == "green/green_tripdata_2021-01.csv.gz"
    assert trips.object_name == "data/green/green_tripdata_2021-01.parquet"
    assert trips.table == "green_tripdata"
    assert trips.url() == (
        "https://github.com/DataTalksClub/nyc-tlc-data/releases/download/green/green_tripdata_2021-01.csv.gz"
    )
    assert parse_csv_path(trips.csv_path) == trips


def test_months_come_sorted_and_each_once() -> None:
    assert [trips.month for trips in trip_files("yellow", 2021, [3, 1, 3])] == [1, 3]


def test_months_are_parsed_from_make_s_arguments() -> None:
    assert parse_trip_files("yellow", "2021", "2,1") == [TripFile("yellow", 2021, 1), TripFile("yellow", 2021, 2)]


@pytest.mark.parametrize(
    ("color", "year", "months", "message"),
    [
        ("pink", "2021", "1", "COLOR=pink: unknown color; use one of yellow, green"),
        ("", "2021", "1", "COLOR=: unknown color"),
        ("yellow", "abc", "1", "YEAR=abc: not a year"),
        ("yellow", "21", "1", "YEAR=21: not a year"),
        ("yellow", "1999", "1", "YEAR=1999: taxi trips are on record from 2009"),
        ("yellow", "٢٠٢١", "1", "not a year"),
        ("yellow", "2021", "13", "MONTHS=13: a month is a number from 1 to 12"),
        ("yellow", "2021", "0", "MONTHS=0: a month is a number from 1 to 12"),
        ("yellow", "2021", "", "MONTHS=: not a list of months"),
        ("yellow", "2021", "1,", "MONTHS=1,: not a list of months"),
        ("yellow", "2021", "1-3", "MONTHS=1-3: not a list of months"),
        ("yellow", "2021", "1; DROP TABLE zones", "not a list of months"),
    ],
)
def test_an_impossible_month_gets_one_line_with_the_fix(color: str, year: str, months: str, message: str) -> None:
    with pytest.raises(BadInputError) as error:
        parse_trip_files(color, year, months)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("year", "month", "known"),
    [(2019, 1, True), (2021, 7, True), (2018, 12, False), (2021, 8, False), (2031, 5, False)],
)
def test_the_release_ends_with_july_2021(year: int, month: int, known: bool) -> None:
    assert TripFile("green", year, month).in_release is known


@pytest.mark.parametrize(
    "path",
    [
        "green/yellow_tripdata_2021-01.csv.gz",
        "green/../green_tripdata_2021-01.csv.gz",
        "green/green_tripdata_2021-1.csv.gz",
        "green/green_tripdata_2021-13.csv.gz",
        "green/green_tripdata_2008-12.csv.gz",
    ],
)
def test_other_names_are_no_trip_files(path: str) -> None:
    assert parse_csv_path(path) is None


@fuzz
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
@example("yellow", "2021", "1,2")
@example("yellow", "2021", "٣")
def test_any_arguments_are_months_or_refused(color: str, year: str, months: str) -> None:
    try:
        assert all(1 <= trips.month <= 12 for trips in parse_trip_files(color, year, months))
    except BadInputError as error:
        assert any(name in str(error) for name in ("COLOR", "YEAR", "MONTHS"))


@fuzz
@given(st.text(max_size=60))
@example("green/green_tripdata_2021-13.csv.gz")
@example("../green/green_tripdata_2021-01.csv.gz")
def test_any_file_name_is_parsed_or_rejected(name: str) -> None:
    trips = parse_csv_path(name)
    assert trips is None or trips.csv_path == name
