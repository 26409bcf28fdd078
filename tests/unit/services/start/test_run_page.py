"""A run's page: its numbers, and that it stands alone. The queries themselves are tried on the platform."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from orionbox.runs.report import MonthReport, page_name, summary
from orionbox.trips.months import TripFile
from orionbox.trips.schema import TIME, TRIPS
from services.start.run_page import __main__ as page
from services.start.run_page import charts, queries
from services.start.run_page.facts import Facts, fare_bars, fill_hours, stages
from services.start.run_page.figures import figures

ROWS = {"source": 1_000, "parquet": 1_000, "bigquery": 1_000, "postgres": 1_000}
SECONDS = {"fetch": 0.5, "clean": 0.25, "write": 0.1, "upload": 0.2, "bigquery": 2.0, "postgres": 0.0}
MONTH = MonthReport("green", 2021, 1, "import", ROWS, SECONDS)
RUN = {
    "id": "2324d452-0000",
    "name": "arboreal-giraffe",
    "state_type": "COMPLETED",
    "state_name": "Completed",
    "start_time": "2026-11-20T17:31:20.000+00:00",
    "total_run_time": 4.0,
}


def made_up(**changes: Any) -> Facts:
    """Facts of a small run."""
    values: dict[str, Any] = {
        "run": RUN,
        "months": [MONTH.flat()],
        "trips": 1_000,
        "stages": stages([MONTH.flat()]),
        "days": [(date(2021, 1, day), day * 10) for day in range(1, 32)],
        "outside": 7,
        "hours": fill_hours({0: 400, 23: 600}),
        "fares": fare_bars({-1: 3, 0: 10, 40: 5}),
        "payments": [("credit card", 700), ("not entered", 300)],
        "zones": [("<b>East & Harlem</b>", 900)],
        "nulls": [("VendorID", 460), ("extra", 0)],
        "money": {"fares": 12_345.6, "tips": 78.0, "total": 20_000.0},
        "zones_are_named": True,
    }
    return Facts(**(values | changes))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORION_PORT", "4200")
    monkeypatch.setenv("RUNTIME", "compose")


def test_a_page_s_name_tells_the_run_and_no_two_share_one() -> None:
    assert page_name(RUN["name"], RUN["id"]) == "arboreal-giraffe-2324d452.html"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "file"),
    [("My Run/..", "my-run-2324d452.html"), ("数据", "run-2324d452.html"), ("../x", "x-2324d452.html")],
)
def test_whatever_a_run_is_called_its_page_is_a_plain_file(name: str, file: str) -> None:
    assert page_name(name, "2324d452-0000") == file


def test_every_fare_is_in_one_bar() -> None:
    counts = {-20: 1, -1: 2, 0: 3, 9: 4, 10: 5, 99: 6}
    bars = dict(fare_bars(counts))
    assert sum(bars.values()) == sum(counts.values())
    assert (bars["< 0"], bars["0"], bars["45"], bars["50+"]) == (3, 3, 4, 11)


def test_every_hour_has_a_bar() -> None:
    bars = fill_hours({3: 5})
    assert [name for name, _ in bars] == [f"{hour:02}" for hour in range(24)]
    assert sum(count for _, count in bars) == 5


def test_pace_is_rows_by_seconds_and_a_stage_without_time_has_none() -> None:
    found = {stage.name: stage for stage in stages([MONTH.flat(), MONTH.flat()])}
    assert (found["bigquery"].seconds, found["bigquery"].rows_per_second) == (4.0, 500)
    assert found["postgres"].rows_per_second == 0


def test_a_query_asks_for_the_run_s_months_alone() -> None:
    for sql in queries.queries("green", [TripFile("green", 2021, 1), TripFile("green", 2021, 2)]).values():
        assert "source_file IN ('green_tripdata_2021-01.csv.gz', 'green_tripdata_2021-02.csv.gz')" in sql


def test_a_chart_has_the_page_s_colours_and_its_text_is_text() -> None:
    drawing = charts.rows([("East Harlem", 1234)])
    assert "East Harlem" in drawing and "1,234" in drawing
    assert "var(--accent)" in drawing and "var(--quiet)" in drawing
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawing)) - ids(drawing) == set()
    assert "<metadata>" not in drawing and "<?xml" not in drawing


def ids(drawing: str) -> set[str]:
    """What the drawing refers to within itself."""
    return {f"#{name}" for name in re.findall(r'id="([^"]*)"', drawing)}


def test_a_day_without_trips_leaves_a_gap() -> None:
    drawing = charts.days([(date(2021, 1, 1), 5), (date(2021, 1, 15), 5)])
    assert "1 Jan" in drawing and ">15<" in drawing and ">8<" in drawing


def test_the_page_stands_alone(environment: None) -> None:
    text = page.render(made_up())
    addresses = set(re.findall(r"https?://[^\"' <)]+", text)) - {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }
    assert addresses == {"http://localhost:4200/flow-runs/flow-run/2324d452-0000"}, "a link, and nothing to load"
    assert not re.search(r"<script|<img|<iframe|@import|url\((?!#)", text)
    assert text.count("<svg") == len(figures(made_up()))


def test_the_page_has_the_run_s_numbers(environment: None) -> None:
    text = page.render(made_up())
    for said in ("<td>1,000</td>", "$12,346", "<strong>250</strong>", "7 trips are dated outside", "46.0 %", "import"):
        assert said in text, said
    assert "1 other columns" in text and "Every row is accounted for" in text
    assert "<b>East" not in text and "&lt;b&gt;East &amp; Harlem" in text


def test_made_up_trips_are_said_to_be_made_up(environment: None) -> None:
    synthetic = MonthReport("green", 2021, 1, "synthetic", ROWS, SECONDS)
    assert "Synthetic data." in page.render(made_up(months=[synthetic.flat()]))
    assert "Some of these" in page.render(made_up(months=[synthetic.flat(), MONTH.flat()]))
    assert "Synthetic data." not in page.render(made_up())


def test_counts_that_differ_are_not_said_to_add_up(environment: None) -> None:
    lost = MonthReport("green", 2021, 1, "import", ROWS | {"postgres": 999}, SECONDS)
    text = page.render(made_up(months=[lost.flat()]))
    assert "The counts differ" in text and "Every row is accounted for" not in text
    assert "The counts differ." in summary([lost], "", "")


def test_trips_without_fares_have_a_page_without_money(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = pa.schema({"pickup": TIME, "dropoff": TIME, "base": pa.string()})
    monkeypatch.setitem(TRIPS, "fhv", columns)
    assert set(queries.queries("fhv", [])) == {"columns", "days", "hours"}
    html = page.render(made_up(fares=fare_bars({}), payments=[], zones=[], money={}))
    assert "Trips by hour" in html
    assert not any(word in html for word in (">Fares", "Paid by", "Where most trips begin", "$"))


def test_without_the_lookup_table_the_page_says_how_to_get_the_zones_names(environment: None) -> None:
    text = page.render(made_up(zones=[("zone 74", 900)], zones_are_named=False))
    assert "zone 74" in text and "taxi_zone_lookup.csv" in text


def test_the_summary_is_a_table_with_a_link() -> None:
    text = summary([MONTH], "http://localhost:4280/reports/x.html", "Both are emulated.")
    assert "some of them run side by side. Both are emulated." in text
    assert "| green 2021-01 | import | 1,000 | 1,000 | 1,000 | 1,000 | 3.05 |" in text
    assert text.endswith("](http://localhost:4280/reports/x.html)")


def test_a_run_that_has_counted_nothing_has_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "orion", lambda path, body=None: [])
    with pytest.raises(queries.UnknownRunError, match="has counted nothing"):
        queries.counts_of("x")
