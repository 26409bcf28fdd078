"""What a run's page tells, asked of Orion, of BigQuery by SQL, and of the release for the zones' names."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from orionbox.names import CREDENTIALS
from orionbox.report import ARTIFACT_KEY, STAGES, STORES
from orionbox.schema import SOURCE_FILE, TIME, TRIPS
from orionbox.settings import Settings
from orionbox.trips import RELEASE_PATH, TripFile

GOOGLE, SCOPE = "https://bigquery.googleapis.com", "https://www.googleapis.com/auth/bigquery"
TIMEOUT = 30
"""Seconds for one answer."""
BUSIEST = 15
FARE_STEP, FARE_BARS = 5, 10
"""Dollars that a bar of the fares stands for, and how many bars there are before the last, which is for all above."""
PAYMENTS = {1: "credit card", 2: "cash", 3: "no charge", 4: "dispute", 5: "unknown", 6: "voided"}
"""The TLC's data dictionary (https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page), payment_type."""
ZONE_FILES = ("taxi_zone_lookup.csv", "taxi%2B_zone_lookup.csv")

Json = dict[str, Any]
Bars = list[tuple[str, int]]


class UnknownRunError(LookupError):
    """There is no such run, or it has left no counts."""


@dataclass(frozen=True)
class Stage:
    """A part of the run's work: its time, all months added up, and its pace."""

    name: str
    seconds: float
    rows_per_second: int


@dataclass(frozen=True)
class Facts:
    """Everything on the page."""

    run: Json
    months: list[Json]
    """The run's own table: a row for each month."""
    trips: int
    """Rows of these months that BigQuery has now."""
    stages: list[Stage]
    days: list[tuple[date, int]]
    outside: int
    """Trips dated outside their months."""
    hours: Bars
    fares: Bars
    payments: Bars
    zones: Bars
    nulls: list[tuple[str, int]]
    """For each column, how many trips have nothing in it."""
    money: Mapping[str, float]
    """Sums in dollars; none where no money is on record, nor fares and payments."""
    zones_are_named: bool

    @property
    def rows(self) -> int:
        """Rows of the source files."""
        return sum(int(month["rows.source"]) for month in self.months)

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return float(self.run["total_run_time"] or self.run["estimated_run_time"])

    @property
    def sources(self) -> list[str]:
        """Where the files came from."""
        return sorted({month["source"] or "not known" for month in self.months})

    @property
    def adds_up(self) -> bool:
        """Whether every store has each month's rows."""
        return all(len({month[f"rows.{store}"] for store in STORES}) == 1 for month in self.months)


def gather(run_id: str) -> Facts:
    """Asks everything.

    Raises:
        UnknownRunError: Orion has no such run of the main job.
        OSError: a service does not answer.
    """
    run, months = find_run(run_id), counts_of(run_id)
    color = months[0]["color"]
    files = [TripFile(color, month["year"], month["month"]) for month in months]
    answers = ask_all(queries(color, files))
    names = zone_names()
    days = [(date.fromisoformat(day), int(count)) for day, count in answers["days"]]
    inside = [(day, count) for day, count in days if TripFile(color, day.year, day.month) in files]
    columns = TRIPS[color].names
    trips, *present = map(int, answers["columns"][0])
    fares, payments, zones = (answers.get(name, []) for name in ("fares", "payments", "zones"))
    return Facts(
        run=run,
        months=months,
        trips=trips,
        stages=stages(months),
        days=inside,
        outside=trips - sum(count for _, count in inside),
        hours=fill_hours({int(hour): int(count) for hour, count in answers["hours"]}),
        fares=fare_bars({int(step): int(count) for step, count in fares if step is not None}),
        payments=[(PAYMENTS.get(int(kind or 0), "not entered"), int(count)) for kind, count in payments],
        zones=[(names.get(zone or "", f"zone {zone}"), int(count)) for zone, count in zones],
        nulls=[(column, trips - count) for column, count in zip(columns, present, strict=True)],
        money=dict(zip(("fares", "tips", "total"), map(float, answers.get("money", [[]])[0]), strict=False)),
        zones_are_named=bool(names),
    )


def find_run(run_id: str) -> Json:
    """The flow run.

    Raises:
        UnknownRunError: there is none.
    """
    try:
        run: Json = orion(f"flow_runs/{run_id}")
    except HTTPError as error:
        raise UnknownRunError(f"Orion has no run {run_id}") from error
    return run


def counts_of(run_id: str) -> list[Json]:
    """The table that the main job has left.

    Raises:
        UnknownRunError: there is none.
    """
    chosen = {"flow_run_id": {"any_": [run_id]}, "key": {"any_": [ARTIFACT_KEY]}}
    found = orion("artifacts/filter", {"artifacts": chosen, "sort": "UPDATED_DESC", "limit": 1})
    months: list[Json] = json.loads(found[0]["data"]) if found else []
    if not months:
        raise UnknownRunError(f"run {run_id} has counted nothing")
    return months


def orion(path: str, body: object = None) -> Any:
    """Orion's answer."""
    return fetch(f"http://{os.environ['ORION_ADDRESS']}/api/{path}", body)


def queries(color: str, files: Iterable[TripFile]) -> dict[str, str]:
    """What BigQuery is asked of the months' trips, by name; nothing about columns that trips of this colour lack."""
    schema = TRIPS[color]
    pickup = next(field.name for field in schema if field.type == TIME)
    names = ", ".join(f"'{trips.csv_name}'" for trips in files)
    trips = f"FROM `{Settings.dataset}.{color}_tripdata` WHERE {SOURCE_FILE} IN ({names})"
    present = ", ".join(f"COUNT(`{name}`)" for name in schema.names)
    asked = {
        "columns": f"SELECT COUNT(*), {present} {trips}",
        "days": f"SELECT CAST(DATE({pickup}) AS STRING) AS d, COUNT(*) {trips} GROUP BY d ORDER BY d",
        "hours": f"SELECT EXTRACT(HOUR FROM {pickup}) AS h, COUNT(*) {trips} GROUP BY h ORDER BY h",
        "fares": f"SELECT CAST(FLOOR(fare_amount / {FARE_STEP}) AS INT64) AS f, COUNT(*) {trips} GROUP BY f ORDER BY f",
        "payments": f"SELECT payment_type AS p, COUNT(*) AS n {trips} GROUP BY p ORDER BY n DESC",
        "zones": f"SELECT PULocationID AS z, COUNT(*) AS n {trips} GROUP BY z ORDER BY n DESC, z LIMIT {BUSIEST}",
        "money": f"SELECT SUM(fare_amount), SUM(tip_amount), SUM(total_amount) {trips}",
    }
    needed = {"fares": "fare_amount", "payments": "payment_type", "zones": "PULocationID", "money": "fare_amount"}
    return {name: sql for name, sql in asked.items() if needed.get(name, pickup) in schema.names}


def ask_all(asked: Mapping[str, str]) -> dict[str, list[list[Any]]]:
    """BigQuery's rows for each query: text, or None."""
    with ThreadPoolExecutor(len(asked)) as pool:
        return dict(zip(asked, pool.map(ask, asked.values()), strict=True))


def ask(sql: str) -> list[list[Any]]:
    """BigQuery's rows (https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query).

    Raises:
        OSError: they did not come in time.
    """
    settings = Settings.from_environment()
    host = GOOGLE if settings.is_real_cloud else f"http://{os.environ['BIGQUERY_ADDRESS']}"
    body = {"query": sql, "useLegacySql": False, "timeoutMs": (TIMEOUT - 5) * 1000}
    answer = fetch(f"{host}/bigquery/v2/projects/{settings.project}/queries", body, authorization())
    if not answer.get("jobComplete", True):
        raise OSError(f"BigQuery has not answered in {TIMEOUT - 5} s")
    return [[cell["v"] for cell in row["f"]] for row in answer.get("rows", [])]


@cache
def authorization() -> dict[str, str]:
    """What Google wants to see of whoever asks, made from the key in Orion's block; the emulator wants nothing."""
    if not Settings.from_environment().is_real_cloud:
        return {}
    from google.auth.transport.requests import Request as Transport
    from google.oauth2.service_account import Credentials

    where = f"block_types/slug/gcp-credentials/block_documents/name/{CREDENTIALS[0]}?include_secrets=true"
    info = orion(where)["data"]["service_account_info"]
    credentials = Credentials.from_service_account_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call]
    credentials.refresh(Transport())
    return {"Authorization": f"Bearer {credentials.token}"}


def zone_names() -> dict[str, str]:
    """The zones' names by number, from the release's lookup table; none where data/ does not have it."""
    for name in ZONE_FILES:
        url = f"http://{os.environ['INTERNET_ADDRESS']}/{RELEASE_PATH}/misc/{name}"
        try:
            with urlopen(url, timeout=TIMEOUT) as response:
                rows = list(csv.DictReader(response.read().decode().splitlines()))
        except HTTPError:
            continue
        return {row["LocationID"]: row["Zone"] for row in rows}
    return {}


def fetch(url: str, body: object = None, headers: Mapping[str, str] = MappingProxyType({})) -> Any:
    """The JSON behind an address; `body` is POSTed."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json", **headers}), timeout=TIMEOUT) as response:
        return json.load(response)


def stages(months: list[Json]) -> list[Stage]:
    """Time and pace of each stage; stages overlap, so they add up to more than the run took."""
    rows = sum(int(month["rows.source"]) for month in months)
    spent = {name: sum(float(month.get(f"seconds.{name}", 0)) for month in months) for name in STAGES}
    return [Stage(name, seconds, round(rows / seconds) if seconds else 0) for name, seconds in spent.items()]


def fill_hours(counts: Mapping[int, int]) -> Bars:
    """A bar for each hour of the day."""
    return [(f"{hour:02}", counts.get(hour, 0)) for hour in range(24)]


def fare_bars(counts: Mapping[int, int]) -> Bars:
    """Fares by steps of dollars, a bar for what is below zero (refunds mostly) and one for all above; or none."""
    if not counts:
        return []
    last = FARE_BARS * FARE_STEP
    bars = [("< 0", sum(count for step, count in counts.items() if step < 0))]
    bars += [(f"{step * FARE_STEP}", counts.get(step, 0)) for step in range(FARE_BARS)]
    return [*bars, (f"{last}+", sum(count for step, count in counts.items() if step >= FARE_BARS))]
