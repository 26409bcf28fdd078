"""The queries of a run's page: to Orion, BigQuery and the taxi release."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any
from urllib.error import HTTPError

from orionbox.flow_settings import FlowSettings
from orionbox.loopback import open_url
from orionbox.orion.client import ONE_TRY, Json, JsonApi, Orion, RefusedError
from orionbox.orion.names import CREDENTIALS
from orionbox.runs.report import ARTIFACT_KEY, months_in
from orionbox.trips.months import RELEASE_PATH
from orionbox.trips.schema import COLUMNS, SOURCE_FILE

BUSIEST = 15
"""Zones that the page names."""
FARE_STEP = 5
"""Dollars per bar of the fares."""
GOOGLE, SCOPE = "https://bigquery.googleapis.com", "https://www.googleapis.com/auth/bigquery"
TIMEOUT = 30
"""Seconds for one answer."""
ZONE_FILES = ("taxi_zone_lookup.csv", "taxi%2B_zone_lookup.csv")


class UnknownRunError(LookupError):
    """Orion has no such run, or the run has no counts."""


def orion() -> Orion:
    """Returns the platform's Orion."""
    return Orion(f"http://{os.environ['ORION_ADDRESS']}", ONE_TRY, TIMEOUT)


def find_run(run_id: str) -> Json:
    """Returns the flow run.

    Raises:
        UnknownRunError: Orion has no such run.
    """
    try:
        return orion().run(run_id)
    except RefusedError as error:
        raise UnknownRunError(f"Orion has no run {run_id}") from error


def count_table(run_id: str) -> list[Json]:
    """Returns the count table of a run of the main job: one row per month.

    Raises:
        UnknownRunError: the run has no counts.
    """
    months = months_in(orion().table_artifact(run_id, ARTIFACT_KEY))
    if not months:
        raise UnknownRunError(f"run {run_id} has no counts")
    return months


def queries(color: str, source_files: Iterable[str]) -> dict[str, str]:
    """Returns the SQL about the trips of these files, by name; none for columns that trips of this color lack."""
    columns = COLUMNS[color]
    pickup = next(name for name, kind in columns.items() if kind == "time")
    names = ", ".join(f"'{name}'" for name in source_files)
    trips = f"FROM `{FlowSettings.dataset}.{color}_tripdata` WHERE {SOURCE_FILE} IN ({names})"
    present = ", ".join(f"COUNT(`{name}`)" for name in columns)
    all_queries = {
        "columns": f"SELECT COUNT(*), {present} {trips}",
        "days": f"SELECT CAST(DATE({pickup}) AS STRING) AS d, COUNT(*) {trips} GROUP BY d ORDER BY d",
        "hours": f"SELECT EXTRACT(HOUR FROM {pickup}) AS h, COUNT(*) {trips} GROUP BY h ORDER BY h",
        "fares": f"SELECT CAST(FLOOR(fare_amount / {FARE_STEP}) AS INT64) AS f, COUNT(*) {trips} GROUP BY f ORDER BY f",
        "payments": f"SELECT payment_type AS p, COUNT(*) AS n {trips} GROUP BY p ORDER BY n DESC",
        "zones": f"SELECT PULocationID AS z, COUNT(*) AS n {trips} GROUP BY z ORDER BY n DESC, z LIMIT {BUSIEST}",
        "money": f"SELECT SUM(fare_amount), SUM(tip_amount), SUM(total_amount) {trips}",
    }
    needed = {"fares": "fare_amount", "payments": "payment_type", "zones": "PULocationID", "money": "fare_amount"}
    return {name: sql for name, sql in all_queries.items() if needed.get(name, pickup) in columns}


def ask_all(sql: Mapping[str, str]) -> dict[str, list[list[Any]]]:
    """Returns BigQuery's rows for each query, by name; each value is text or None."""
    with ThreadPoolExecutor(len(sql)) as pool:
        return dict(zip(sql, pool.map(ask, sql.values()), strict=True))


def ask(sql: str) -> list[list[Any]]:
    """Returns BigQuery's rows (https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query).

    Google's library would work, but importing it takes as long as building the page.

    Raises:
        OSError: BigQuery did not answer in time.
    """
    body = {"query": sql, "useLegacySql": False, "timeoutMs": (TIMEOUT - 5) * 1000}
    answer = bigquery().call("queries", body)
    if not answer.get("jobComplete", True):
        raise OSError(f"BigQuery has not answered in {TIMEOUT - 5} s")
    return [[cell["v"] for cell in row["f"]] for row in answer.get("rows", [])]


@cache
def bigquery() -> JsonApi:
    """Returns the API of the platform's project in BigQuery: the emulator's, or Google's with the key in Orion."""
    settings = FlowSettings.from_environment()
    path = f"bigquery/v2/projects/{settings.project}"
    if not settings.is_real_cloud:
        return JsonApi(f"http://{os.environ['BIGQUERY_ADDRESS']}/{path}", timeout=TIMEOUT)
    from google.auth.transport.requests import Request
    from google.oauth2.service_account import Credentials

    block = f"block_types/slug/gcp-credentials/block_documents/name/{CREDENTIALS[0]}?include_secrets=true"
    key = orion().call(block)["data"]["service_account_info"]
    credentials = Credentials.from_service_account_info(key, scopes=[SCOPE])  # type: ignore[no-untyped-call]
    credentials.refresh(Request())
    headers = {"Authorization": f"Bearer {credentials.token}"}
    return JsonApi(f"{GOOGLE}/{path}", timeout=TIMEOUT, headers=headers, uses_proxy=True)


def zone_names() -> dict[str, str]:
    """Returns the zones' names by number, from the release's lookup table; nothing if data/ does not have it."""
    for name in ZONE_FILES:
        url = f"http://{os.environ['INTERNET_ADDRESS']}/{RELEASE_PATH}/misc/{name}"
        try:
            with open_url(url, TIMEOUT) as response:
                rows = list(csv.DictReader(response.read().decode().splitlines()))
        except HTTPError:
            continue
        return {row["LocationID"]: row["Zone"] for row in rows}
    return {}
