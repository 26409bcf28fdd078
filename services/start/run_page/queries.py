"""What the page of a run asks Orion, BigQuery and the taxi files."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from orionbox.flow_settings import FlowSettings
from orionbox.orion.names import CREDENTIALS
from orionbox.runs.report import ARTIFACT_KEY
from orionbox.trips.months import RELEASE_PATH, TripFile
from orionbox.trips.schema import SOURCE_FILE, TIME, TRIPS

BUSIEST = 15
"""Zones that the page names."""
FARE_STEP = 5
"""Dollars that a bar of the fares stands for."""
GOOGLE, SCOPE = "https://bigquery.googleapis.com", "https://www.googleapis.com/auth/bigquery"
TIMEOUT = 30
"""Seconds for one answer."""
ZONE_FILES = ("taxi_zone_lookup.csv", "taxi%2B_zone_lookup.csv")
Json = dict[str, Any]


class UnknownRunError(LookupError):
    """There is no such run, or it has left no counts."""


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
    trips = f"FROM `{FlowSettings.dataset}.{color}_tripdata` WHERE {SOURCE_FILE} IN ({names})"
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
    settings = FlowSettings.from_environment()
    host = GOOGLE if settings.is_real_cloud else f"http://{os.environ['BIGQUERY_ADDRESS']}"
    body = {"query": sql, "useLegacySql": False, "timeoutMs": (TIMEOUT - 5) * 1000}
    answer = fetch(f"{host}/bigquery/v2/projects/{settings.project}/queries", body, authorization())
    if not answer.get("jobComplete", True):
        raise OSError(f"BigQuery has not answered in {TIMEOUT - 5} s")
    return [[cell["v"] for cell in row["f"]] for row in answer.get("rows", [])]


@cache
def authorization() -> dict[str, str]:
    """What Google wants to see of whoever asks, made from the key in Orion's block; the emulator wants nothing."""
    if not FlowSettings.from_environment().is_real_cloud:
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
