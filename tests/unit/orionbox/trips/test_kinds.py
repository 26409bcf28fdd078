"""The three kinds of data, and which may replace which."""

from __future__ import annotations

import pytest

from orionbox.errors import BadInputError
from orionbox.trips import kinds
from orionbox.trips.months import TripFile
from orionbox.trips.row_counts import Month, published_rows

JANUARY = TripFile("green", 2021, 1)
ROWS = 76_518


@pytest.mark.parametrize(
    ("rows", "generated", "kind"),
    [(ROWS, False, "real"), (ROWS + 1, False, "real"), (ROWS - 1, False, "excerpt"), (ROWS, True, "generated")],
)
def test_an_excerpt_is_told_by_its_rows_and_a_generated_month_by_its_mark(
    rows: int, generated: bool, kind: str
) -> None:
    assert kinds.kind_of(JANUARY, rows, generated) == kind


def test_a_figure_that_nobody_has_confirmed_may_be_too_large_by_a_few_rows() -> None:
    month = Month("green", 2021, 7)
    rows = published_rows(month) or 0
    assert [kinds.kind_of(month, rows * part // 1000, generated=False) for part in (995, 980)] == ["real", "excerpt"]


def test_a_month_that_the_table_does_not_have_is_real_unless_it_was_generated() -> None:
    assert kinds.kind_of(TripFile("green", 2024, 1), 1, generated=False) == "real"


@pytest.mark.parametrize("comment", [b"orionbox generated", b"orionbox synthetic"], ids=["today", "0.2.0"])
def test_a_generated_file_is_known_by_the_comment_in_its_gzip_header(comment: bytes) -> None:
    header = b"\x1f\x8b\x08\x10" + bytes(4) + b"\x00\xff" + comment + b"\0"
    assert kinds.is_generated(header + bytes(1000)) and not kinds.is_generated(bytes(1000) + header)


def test_a_stored_month_without_a_record_counts_as_real_data_unless_0_2_0_generated_it() -> None:
    assert [kinds.kind_without_record(JANUARY, rows) for rows in (ROWS, 10, 100_000)] == [
        "real",
        "excerpt",
        "generated",
    ]


@pytest.mark.parametrize("stored", [None, *kinds.KINDS])
@pytest.mark.parametrize("new", kinds.KINDS)
def test_a_month_is_never_replaced_by_one_of_a_lower_rank_unless_it_is_forced(stored: str | None, new: str) -> None:
    kinds.require_replaceable("Postgres green_tripdata", JANUARY, stored, new, force=True)
    if stored is None or (stored, new) in {
        *((kind, kind) for kind in kinds.KINDS),
        ("generated", "real"),
        ("generated", "excerpt"),
        ("excerpt", "real"),
    }:
        kinds.require_replaceable("Postgres green_tripdata", JANUARY, stored, new, force=False)
    else:
        with pytest.raises(
            BadInputError, match=r"Postgres green_tripdata holds .* 2021-01, .*nothing was replaced.*FORCE=yes"
        ):
            kinds.require_replaceable("Postgres green_tripdata", JANUARY, stored, new, force=False)


def test_the_refusal_says_what_is_there_and_both_ways_out() -> None:
    with pytest.raises(BadInputError) as caught:
        kinds.require_replaceable("Postgres green_tripdata", JANUARY, "real", "generated", force=False)
    assert str(caught.value) == (
        "Postgres green_tripdata holds the real month green 2021-01, and the file is generated; nothing was replaced; "
        "put the real file into data/green/green_tripdata_2021-01.csv.gz, or replace it on purpose with FORCE=yes "
        "(in Orion: parameter `force`)"
    )


def test_the_header_of_a_served_file_comes_back_as_it_went() -> None:
    value = kinds.header_value("generated", 1_369_765, "yellow/yellow_tripdata_2021-01.csv.gz")
    assert value == "generated; rows=1369765; file=yellow/yellow_tripdata_2021-01.csv.gz"
    assert kinds.parse_header(value) == ("generated", 1_369_765, "yellow/yellow_tripdata_2021-01.csv.gz")
    assert kinds.parse_header(kinds.header_value("real", 265)) == ("real", 265, "")


@pytest.mark.parametrize("value", [None, "", "made up; rows=1", "real; rows=many", ";;="])
def test_another_server_s_header_says_nothing(value: str | None) -> None:
    assert kinds.parse_header(value) is None


def test_one_line_names_every_month_that_is_not_real() -> None:
    months = [
        ("green 2021-01", "real", 76_518),
        ("green 2021-02", "excerpt", 10),
        ("green 2021-03", "generated", 9_000),
    ]
    assert kinds.warning(months) == (
        "not real: green 2021-02 is an excerpt (10 rows); green 2021-03 is generated (9,000 rows)"
    )
    assert kinds.warning(months[:1]) == ""
