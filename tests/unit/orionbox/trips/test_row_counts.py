from __future__ import annotations

import pytest

from orionbox.trips import row_counts
from orionbox.trips.months import TripFile


@pytest.mark.parametrize(
    ("color", "year", "month", "rows"),
    [("green", 2020, 1, 447_770), ("green", 2019, 4, 514_392), ("green", 2020, 11, 88_605), ("green", 2021, 2, 64_572)],
)
def test_the_table_has_the_published_totals(color: str, year: int, month: int, rows: int) -> None:
    trips = TripFile(color, year, month)
    assert row_counts.published_rows(trips) == row_counts.expected_rows(trips) == rows


def test_the_two_months_of_the_homework_have_the_published_sum() -> None:
    assert sum(row_counts.expected_rows(TripFile("yellow", 2019, month)) for month in (2, 3)) == 14_851_920


def test_a_month_outside_the_table_has_the_rows_of_the_nearest_one() -> None:
    assert row_counts.published_rows(TripFile("green", 2018, 12)) is None
    assert row_counts.expected_rows(TripFile("green", 2018, 12)) == 630_918
    assert row_counts.expected_rows(TripFile("green", 2022, 5)) == 83_691


def test_a_gap_in_the_table_is_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {("green", 2020, 1): 100, ("green", 2020, 5): 500, ("yellow", 2020, 2): 9}
    monkeypatch.setattr(row_counts, "_table", lambda: table)
    assert row_counts.expected_rows(TripFile("green", 2020, 2)) == 200
