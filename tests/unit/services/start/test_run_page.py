"""A run's page: its numbers, and that it is self-contained. The queries themselves are tested on the platform."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from orionbox.runs.report import MonthReport
from orionbox.trips.schema import COLUMNS
from services.start.run_page import __main__ as page
from services.start.run_page import charts, facts, queries
from services.start.run_page.facts import RunFacts, fare_bars, fill_hours, gather_facts, stages
from services.start.run_page.figures import figures
from tests.conftest import ROOT
from tests.unit.fake_api import FakeApi, json_answer, raw_answer

ROWS = {"source": 1_000, "parquet": 1_000, "bigquery": 1_000, "postgres": 1_000}
SECONDS = {"fetch": 0.5, "clean": 0.25, "write": 0.1, "upload": 0.2, "bigquery": 2.0, "postgres": 0.0}
MONTH = MonthReport("green", 2021, 1, "real", ROWS, SECONDS)
RUN = {
    "id": "2324d452-0000",
    "name": "arboreal-giraffe",
    "state_type": "COMPLETED",
    "state_name": "Completed",
    "start_time": "2026-11-20T17:31:20.000+00:00",
    "total_run_time": 4.0,
}


def made_up(**changes: Any) -> RunFacts:
    """RunFacts of a small run."""
    values: dict[str, Any] = {
        "run": RUN,
        "months": [MONTH.flat()],
        "trips": 1_000,
        "stages": stages([MONTH.flat()]),
        "days": [(date(2021, 1, day), day * 10) for day in range(1, 32)],
        "trips_outside_month": 7,
        "hours": fill_hours({0: 400, 23: 600}),
        "fares": fare_bars({-1: 3, 0: 10, 40: 5}),
        "payments": [("credit card", 700), ("missing", 300)],
        "zones": [("<b>East & Harlem</b>", 900)],
        "nulls": [("VendorID", 460), ("extra", 0)],
        "money": {"fares": 12_345.6, "tips": 78.0, "total": 20_000.0},
        "zones_are_named": True,
    }
    return RunFacts(**(values | changes))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The facts of the page."""
    monkeypatch.setenv("ORION_PORT", "4200")
    monkeypatch.setenv("RUNTIME", "compose")


@pytest.fixture(scope="module")
def drawn_page() -> Iterator[str]:
    """A page with its charts, drawn once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORION_PORT", "4200")
        patch.setenv("RUNTIME", "compose")
        yield page.render(made_up())


@pytest.fixture
def without_drawings(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the charts, which take most of the time."""
    for name in ("horizontal_bars", "vertical_bars", "daily_bars"):
        monkeypatch.setattr(charts, name, lambda *arguments: "<svg/>")


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
    for sql in queries.queries("green", ["green_tripdata_2021-01.csv.gz", "green_tripdata_2021-02.csv.gz"]).values():
        assert "source_file IN ('green_tripdata_2021-01.csv.gz', 'green_tripdata_2021-02.csv.gz')" in sql


def test_a_chart_has_the_page_s_colors_and_its_text_is_text() -> None:
    drawing = charts.horizontal_bars([("East Harlem", 1234)])
    assert "East Harlem" in drawing and "1,234" in drawing
    assert "var(--accent)" in drawing and "var(--quiet)" in drawing
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawing)) - ids(drawing) == set()
    assert "<metadata>" not in drawing and "<?xml" not in drawing


def ids(drawing: str) -> set[str]:
    """What the drawing refers to within itself."""
    return {f"#{name}" for name in re.findall(r'id="([^"]*)"', drawing)}


def test_a_day_without_trips_leaves_a_gap() -> None:
    drawing = charts.daily_bars([(date(2021, 1, 1), 5), (date(2021, 1, 15), 5)])
    assert "1 Jan" in drawing and ">15<" in drawing and ">8<" in drawing


def test_the_page_stands_alone(drawn_page: str) -> None:
    text = drawn_page
    addresses = set(re.findall(r"https?://[^\"' <)]+", text)) - {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }
    assert addresses == {"http://localhost:4200/flow-runs/flow-run/2324d452-0000"}, "a link, and nothing to load"
    assert not re.search(r"<script|<img|<iframe|@import|url\((?!#)", text)
    assert text.count("<svg") == len(figures(made_up()))


def test_the_page_has_the_run_s_numbers(drawn_page: str) -> None:
    text = drawn_page
    for said in (
        '<td data-column="BigQuery">1,000</td>',
        "$12,346",
        "<strong>250</strong>",
        "Not shown: 7 trips dated outside",
        "46.0 %",
        '<span class="label real">real data</span>',
    ):
        assert said in text, said
    assert "1 other columns" in text and "Every row is accounted for" in text
    assert "<b>East" not in text and "&lt;b&gt;East &amp; Harlem" in text


def test_generated_trips_are_marked_as_generated(without_drawings: None) -> None:
    for word in ("generated", "synthetic"):  # the second in runs of version 0.2.0
        generated = MonthReport("green", 2021, 1, word, ROWS, SECONDS)
        text = page.render(made_up(months=[generated.flat()]))
        assert "Generated data." in text and '<span class="label generated">generated data</span>' in text
        assert "Some of these" in page.render(made_up(months=[generated.flat(), MONTH.flat()]))
    assert "Generated data." not in page.render(made_up())


def test_an_excerpt_is_marked_as_one(without_drawings: None) -> None:
    excerpt = MonthReport("green", 2021, 1, "excerpt", ROWS, SECONDS)
    assert "An excerpt." in page.render(made_up(months=[excerpt.flat()]))
    assert "An excerpt." not in page.render(made_up())


def test_different_counts_are_reported(without_drawings: None) -> None:
    lost = MonthReport("green", 2021, 1, "real", ROWS | {"postgres": 999}, SECONDS)
    text = page.render(made_up(months=[lost.flat()]))
    assert "The counts differ" in text and "Every row is accounted for" not in text


def test_trips_without_fares_have_a_page_without_money(without_drawings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COLUMNS, "fhv", {"pickup": "time", "dropoff": "time", "base": "text"})
    assert set(queries.queries("fhv", [])) == {"columns", "days", "hours"}
    html = page.render(made_up(fares=fare_bars({}), payments=[], zones=[], money={}))
    assert "Trips by hour" in html
    assert not any(word in html for word in (">Fares", "Payments", "Busiest pickup zones", "$"))


def test_without_the_lookup_table_the_page_says_how_to_get_the_zones_names(without_drawings: None) -> None:
    text = page.render(made_up(zones=[("zone 74", 900)], zones_are_named=False))
    assert "zone 74" in text and "taxi_zone_lookup.csv" in text


# --- what the trips' own values do to the page ---

ANSWERS: dict[str, list[list[Any]]] = {
    "columns": [["1000", *["900"] * len(COLUMNS["green"])]],
    "days": [["2021-01-01", "10"], ["2021-01-31", "20"]],
    "hours": [["0", "30"]],
    "fares": [["1", "30"]],
    "payments": [["1", "30"]],
    "zones": [["74", "30"]],
    "money": [["1.5", "0.5", "2"]],
}


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunFacts]:
    """Gathers the facts of January 2021 with other answers of BigQuery to some of the queries."""

    def ask(**answers: list[list[Any]]) -> RunFacts:
        monkeypatch.setattr(facts, "find_run", lambda run_id: RUN)
        monkeypatch.setattr(facts, "count_table", lambda run_id: [MONTH.flat()])
        monkeypatch.setattr(facts, "zone_names", lambda: {"74": "East Harlem North"})
        monkeypatch.setattr(facts, "ask_all", lambda sql: {name: {**ANSWERS, **answers}[name] for name in sql})
        return gather_facts("2324d452-0000")

    return ask


def test_the_facts_of_an_ordinary_month_are_complete(ask: Callable[..., RunFacts]) -> None:
    found = ask()
    assert found.days == [(date(2021, 1, 1), 10), (date(2021, 1, 31), 20)]
    assert (found.trips, found.trips_outside_month) == (1_000, 970)
    assert found.zones == [("East Harlem North", 30)] and found.payments == [("credit card", 30)]


@pytest.mark.parametrize("day", ["2008-12-31", "2098-01-01", "2100-02-03", "1970-01-01", "2021-02-01", None])
def test_a_trip_dated_in_any_year_or_not_at_all_is_outside_its_month(
    ask: Callable[..., RunFacts], without_drawings: None, day: str | None
) -> None:
    found = ask(days=[[day, "1"], *ANSWERS["days"]])
    assert [count for _, count in found.days] == [10, 20]
    assert found.trips_outside_month == 970
    assert "Not shown: 970 trips" in page.render(found)


def test_missing_values_are_named_and_unknown_codes_keep_their_number(
    ask: Callable[..., RunFacts], without_drawings: None
) -> None:
    found = ask(
        hours=[[None, "1"], ["5", "2"]],
        fares=[[None, "1"], ["-1", "2"]],
        payments=[[None, "3"], ["0", "2"], ["99", "1"]],
        zones=[[None, "2"], ["999", "1"]],
    )
    assert sum(count for _, count in found.hours) == 2 and dict(found.fares)["< 0"] == 2
    assert found.payments == [("missing", 3), ("flex fare", 2), ("code 99", 1)]
    assert found.zones == [("missing", 2), ("zone 999", 1)]
    assert "missing" in page.render(found)


def test_months_that_bigquery_has_lost_still_have_a_page(ask: Callable[..., RunFacts], without_drawings: None) -> None:
    empty: dict[str, list[list[Any]]] = dict.fromkeys(("days", "hours", "fares", "payments", "zones"), [])
    found = ask(columns=[["0"] * (1 + len(COLUMNS["green"]))], money=[[None] * 3], **empty)
    assert found.trips == 0 and found.money == {"fares": 0, "tips": 0, "total": 0}
    assert "Trips by hour" in page.render(found)


# --- the queries, against fakes of Orion and BigQuery ---


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """Orion, BigQuery and the release at once."""
    queries.bigquery.cache_clear()
    with FakeApi().serving() as api:
        for name in ("ORION_ADDRESS", "BIGQUERY_ADDRESS", "INTERNET_ADDRESS"):
            monkeypatch.setenv(name, api.url.removeprefix("http://"))
        yield api
    queries.bigquery.cache_clear()


def test_a_run_that_orion_does_not_know_or_that_has_no_counts_has_no_page(api: FakeApi) -> None:
    api.answers = [json_answer({}, 404), json_answer([])]
    with pytest.raises(queries.UnknownRunError, match="Orion has no run x"):
        queries.find_run("x")
    with pytest.raises(queries.UnknownRunError, match="has no counts"):
        queries.count_table("x")


def test_bigquery_s_rows_are_lists_of_text(api: FakeApi) -> None:
    api.answers = [
        json_answer({"jobComplete": True, "rows": [{"f": [{"v": "2021-01-01"}, {"v": None}]}]}),
        json_answer({}),
    ]
    assert queries.ask_all({"days": "SELECT 1"}) == {"days": [["2021-01-01", None]]}
    assert queries.ask("SELECT 2") == []
    method, path, body = api.requests[0]
    assert (method, path, body["query"]) == ("POST", "/bigquery/v2/projects/orionbox-local/queries", "SELECT 1")


def test_a_query_that_takes_too_long_is_an_error(api: FakeApi) -> None:
    api.answers = [json_answer({"jobComplete": False})]
    with pytest.raises(OSError, match="has not answered"):
        queries.ask("SELECT 1")


@pytest.mark.parametrize("missing", [0, 1])
def test_the_zones_names_come_from_the_release_under_either_name(api: FakeApi, missing: int) -> None:
    api.answers = [raw_answer(b"", 404)] * missing + [raw_answer(b"LocationID,Zone\n74,East Harlem North\n")]
    assert queries.zone_names() == {"74": "East Harlem North"}
    api.answers = [raw_answer(b"", 404)] * 2
    assert queries.zone_names() == {}


def test_making_a_page_imports_neither_prefect_nor_pandas_nor_pyarrow() -> None:
    names = "{'prefect', 'pandas', 'pyarrow', 'google'}"
    without_charts = "sys.modules['services.start.run_page.charts'] = types.ModuleType('charts')"  # matplotlib is slow
    program = f"import sys, types; {without_charts}; import services.start.run_page.__main__ as page; "
    program += f"print({names} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
