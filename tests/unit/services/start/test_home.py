"""What the start page shows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from orionbox.lesson import checks
from orionbox.runs import disk_space
from orionbox.services import SERVICES
from services.start.__main__ import templates
from services.start.home import Overview, counts, gather_overview
from services.start.lesson.progress import Progress
from services.start.status import UNKNOWN, Platform
from tests.unit.fake_api import FakeApi

ROWS = {f"rows.{store}": 10 for store in ("source", "parquet", "bigquery", "postgres")}
MONTH: dict[str, Any] = {"color": "green", "year": 2021, "month": 1, "source": "real", **ROWS}
RUN = {
    "id": "01234567-x",
    "name": "Big Dog",
    "flow_id": "f",
    "total_run_time": 4.04,
    "state_name": "Completed",
    "state_type": "COMPLETED",
    "start_time": "2021-01-01T00:00:00+00:00",
}


def overview_of(environment: dict[str, str]) -> Overview:
    """What the page of this platform shows."""

    async def ask() -> Overview:
        async with aiohttp.ClientSession() as session:
            platform = Platform(session, environment)
            return await gather_overview(platform, Progress(platform, session, environment))

    return asyncio.run(ask())


def test_equal_counts_are_one_number_and_different_counts_are_all_shown() -> None:
    assert counts([MONTH, MONTH]) == "20 rows in source, parquet, BigQuery and Postgres"
    assert counts([MONTH | {"rows.postgres": 9}]) == "source 10, parquet 10, bigquery 10, postgres 9"
    assert counts([]) == ""


def test_where_nothing_answers_everything_is_down_and_nothing_is_claimed() -> None:
    nowhere = f"127.0.0.1:{unused_port()}"
    # Its own address among them, as in the embedded runtime: a page that asked itself would never come
    overview = overview_of({f"{each.prefix}_ADDRESS": nowhere for each in SERVICES if each.name != "agent"})
    optional = [each.name for each in SERVICES if each.profile]
    titles = [each.title for each in SERVICES if each.name not in ("start", "agent", *optional)]
    assert overview.down == titles, "a cluster that was not asked for is not missed"
    assert [each.health for each in overview.statuses if each.service.name == "agent"] == [UNKNOWN]
    assert (overview.runs, overview.steps_done) == (None, 0)
    assert overview.next == overview.steps[0], "what is unknown is not skipped"
    assert overview.next.rationale.startswith("Orion does not answer")


def test_the_taxi_files_that_were_fetched_are_shown_with_the_kind_of_their_data() -> None:
    file = {"file": "green/green_tripdata_2021-01.csv.gz", "kind": "real", "when": "2021-01-01T00:00:00+00:00"}
    with FakeApi(
        route=lambda path, body: [{**file, "rows": 76_518}, {**file, "rows": 5, "kind": "generated"}]
    ).serving() as api:
        found = overview_of(
            {"INTERNET_ADDRESS": api.url.removeprefix("http://"), "ORION_ADDRESS": "127.0.0.1:1"}
        ).fetched
    assert [(each.name, each.kind, each.rows) for each in found] == [
        ("green_tripdata_2021-01.csv.gz", "real", 76_518),
        ("green_tripdata_2021-01.csv.gz", "generated", 5),
    ]


@pytest.mark.parametrize("answer", [{}, [1], [{"kind": "real"}], [{"kind": "made up"}], "text"])
def test_an_answer_of_another_form_is_no_list_of_fetched_files(answer: object) -> None:
    with FakeApi(route=lambda path, body: answer).serving() as api:
        environment = {"INTERNET_ADDRESS": api.url.removeprefix("http://"), "ORION_ADDRESS": "127.0.0.1:1"}
        assert overview_of(environment).fetched == []


def overview_with(data: object) -> Overview:
    """What the page shows of a run that has left an artifact with these data."""
    answers: dict[str, Any] = {
        "/api/flow_runs/filter": [RUN],
        "/api/flows/filter": [{"id": "f", "name": "etl"}],
        "/api/artifacts/filter": [{"id": "a", "flow_run_id": RUN["id"], "data": data}],
        "/api/work_queues/name/default": {"last_polled": None},
    }
    with FakeApi(route=lambda path, body: answers.get(path, 1)).serving() as api:
        return overview_of({"ORION_ADDRESS": api.url.removeprefix("http://"), "ORION_PORT": "4200"})


def test_a_run_whose_artifact_is_no_count_table_is_shown_without_counts() -> None:
    overview = overview_with(50_000 * "[")
    assert overview.runs and [(run.name, run.counts, run.report) for run in overview.runs] == [("Big Dog", "", "")]


def test_the_last_runs_are_shown_with_their_flow_their_counts_and_their_page() -> None:
    overview = overview_with(json.dumps([MONTH]))
    assert overview.runs
    (shown,) = overview.runs
    assert (shown.flow, shown.name, shown.seconds) == ("etl", "Big Dog", "4.0 s")
    assert (
        shown.counts == "10 rows in source, parquet, BigQuery and Postgres" and shown.report == "big-dog-01234567.html"
    )
    assert shown.link == "http://localhost:4200/flow-runs/flow-run/01234567-x"
    assert overview.next and overview.next.status == checks.UNKNOWN, "these answers are not Orion's own"


@pytest.mark.parametrize(("free", "is_low"), [(50_000_000_000, False), (1_500_000_000, True)])
def test_the_page_shows_the_disk_and_says_when_it_is_nearly_full(
    free: int, is_low: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "of_platform", lambda environment: disk_space.Disk(free, 90_000_000_000))
    overview = overview_of({"ORION_ADDRESS": f"127.0.0.1:{unused_port()}"})
    page = templates.get_template("start.html").render(overview=overview, orion="")
    assert f"{free / 1e9:.1f} GB of 90.0 GB are free" in page
    assert ("The disk is nearly full" in page) == is_low and ("make prune" in page) == is_low
