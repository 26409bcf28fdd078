"""The report of a run."""

from __future__ import annotations

import pytest

from orionbox.runs.report import MonthReport, Stopwatch, differences, months_in, page_name, summary, unflatten

ROWS = {"source": 1_000, "parquet": 1_000, "bigquery": 1_000, "postgres": 1_000}
SECONDS = {"fetch": 0.5, "clean": 0.25, "write": 0.1, "upload": 0.2, "bigquery": 2.0, "postgres": 0.0}
MONTH = MonthReport("green", 2021, 1, "real", ROWS, SECONDS)
LOST = MonthReport("green", 2021, 2, "generated", ROWS | {"postgres": 999}, SECONDS)


def test_the_rows_of_a_report_come_back_as_they_went() -> None:
    row = MONTH.flat()
    assert row["rows.parquet"] == 1_000 and row["seconds.clean"] == 0.25
    nested = unflatten(row)
    assert (nested["rows"], nested["seconds"], nested["color"]) == (ROWS, SECONDS, "green")


WRONG: list[dict[str, object]] = [
    {"rows.source": "ten"},
    {"rows.source": None},
    {"rows.source": -1},
    {"rows.source": 1.5},
    {"rows.source": True},
    {"rows.source": 2**63},
    {"seconds.fetch": float("nan")},
    {"seconds.fetch": "soon"},
    {"month": 13},
    {"month": 1.0},
    {"year": 0},
    {"year": "2021') --"},
    {"color": "green'"},
    {"source": 7},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_row_of_another_form_is_no_month(wrong: dict[str, object]) -> None:
    rows = [MONTH.flat(), LOST.flat()]
    assert months_in(rows) == rows
    assert months_in([*rows, rows[0] | wrong]) == []


@pytest.mark.parametrize("found", [None, 7, "", {}, {"a": 1}, ["a"], [[]], [{}]])
def test_a_table_of_another_form_has_no_months(found: object) -> None:
    assert months_in(found) == []


def test_a_page_s_name_tells_the_run_and_no_two_share_one() -> None:
    assert page_name("arboreal-giraffe", "2324d452-0000") == "arboreal-giraffe-2324d452.html"


@pytest.mark.parametrize(
    ("name", "file"),
    [("My Run/..", "my-run-2324d452.html"), ("数据", "run-2324d452.html"), ("../x", "x-2324d452.html")],
)
def test_whatever_a_run_is_called_its_page_is_a_plain_file(name: str, file: str) -> None:
    assert page_name(name, "2324d452-0000") == file


def test_the_summary_is_a_table_with_a_link() -> None:
    text = summary([MONTH], "http://localhost:4280/reports/x.html", "Both are emulated.")
    assert "some of these overlap. Both are emulated." in text
    assert "| green 2021-01 | real | 1,000 | 1,000 | 1,000 | 1,000 | 3.05 |" in text
    assert "not real" not in text.lower() and "**Not real: green 2021-02 is generated (1,000 rows)**" in summary(
        [LOST], "", ""
    )
    assert text.endswith("](http://localhost:4280/reports/x.html)")


def test_a_month_whose_counts_differ_is_named_with_its_counts() -> None:
    assert MONTH.counts_match and not LOST.counts_match
    (line,) = differences([MONTH, LOST])
    assert line == "green_tripdata_2021-02.csv.gz: source 1,000, parquet 1,000, bigquery 1,000, postgres 999"
    assert "The counts differ." in summary([LOST], "", "")


def test_a_stage_s_time_includes_waiting_for_its_items(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 2.0, 2.0, 5.0, 5.0, 5.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    watch = Stopwatch()
    with watch.time("upload"):
        pass
    assert list(watch.wait("upload", ["piece"], -1)) == ["piece"]
    assert watch.seconds == {"upload": -1.0}
