"""Measures the BigQuery server with Google's client: [URL [QUERIES]], else the platform's own and 10,000 queries.

Small statements first, on an empty server; then again after many queries, tables and projects; then many clients at
once, and the queries that are compared with DuckDB. Prints one JSON object: by name, the seconds of each round.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from dev.bench.inside.bigquery.statements import GOOGLE, QUERIES, ROUNDS, TABLE

MANY_QUERIES, TABLES, PROJECTS, CLIENTS = 10_000, 1_000, 100, 30
REPEATS = 40
THREADS = 8
Seconds = dict[str, list[float]]


def connect(url: str, project: str = "bench") -> Any:
    """Return a client without credentials."""
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return bigquery.Client(project=project, credentials=credentials, client_options={"api_endpoint": url})


def timed(call: Callable[[], object], repeats: int) -> list[float]:
    """Return the seconds of each call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def small(client: Any, dataset: str) -> Seconds:
    """Return the seconds of small statements."""
    names = (f"{dataset}.t{number}_{uuid.uuid4().hex[:6]}" for number in range(10**6))
    table = next(names)
    client.query_and_wait(f"CREATE TABLE {table} (x INT64)")

    def ask(sql: Callable[[], str]) -> list[float]:
        list(client.query_and_wait("SELECT 1"))
        return timed(lambda: list(client.query_and_wait(sql())), REPEATS)

    return {
        "SELECT 1": ask(lambda: "SELECT 1"),
        "CREATE TABLE AS": ask(lambda: f"CREATE TABLE {next(names)} AS SELECT 1 AS x"),
        "INSERT of a row": ask(lambda: f"INSERT INTO {table} VALUES (1)"),
        "count of a table": ask(lambda: f"SELECT COUNT(*) FROM {table}"),
    }


def grow(url: str, queries: int) -> None:
    """Make projects, tables and queries as in weeks of use; each query is another one."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: _project(url, number), range(PROJECTS)))
        client = connect(url)
        each = queries // THREADS
        list(pool.map(lambda part: _queries(client, range(part * each, part * each + each)), range(THREADS)))


def _project(url: str, number: int) -> None:
    client = connect(url, f"bench-{number}")
    client.create_dataset("many", exists_ok=True)
    for table in range(TABLES // PROJECTS):
        client.query_and_wait(f"CREATE OR REPLACE TABLE many.t{table} AS SELECT {table} AS x, 'a' AS y")


def _queries(client: Any, numbers: range) -> None:
    for number in numbers:
        _query(client, number)


def _query(client: Any, number: int) -> None:
    row = next(iter(client.query_and_wait(f"SELECT {number} AS n, FORMAT('%d-{number}', {number}) AS s")))
    if tuple(row.values()) != (number, f"{number}-{number}"):
        raise ValueError(f"{row}: measurement discarded")


def clients_at_once(url: str) -> Seconds:
    """Return the seconds of queries of many clients that ask at the same time; an error ends the measurement."""

    def one(number: int) -> list[float]:
        client = connect(url, f"bench-{number % PROJECTS}")
        return timed(lambda: list(client.query_and_wait("SELECT COUNT(*), MAX(x) FROM many.t1")), 10)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return {f"{CLIENTS} clients": [each for found in pool.map(one, range(CLIENTS)) for each in found]}


def large(client: Any, dataset: str) -> Seconds:
    """Return the seconds of the queries that are compared with DuckDB."""
    client.query_and_wait(GOOGLE.format(dataset=dataset))
    seconds: Seconds = {name: [] for name in QUERIES}
    for _ in range(ROUNDS):
        for name, (sql, _) in QUERIES.items():
            text = sql.format(table=f"{dataset}.{TABLE}")
            seconds[name] += timed(lambda sql=text: list(client.query_and_wait(sql)), 1)  # type: ignore[misc]
    return seconds


def main() -> None:
    """Measure everything, in this order."""
    url = sys.argv[1] if sys.argv[1:] else os.environ["BIGQUERY_EMULATOR_HOST"]
    queries = int(sys.argv[2]) if sys.argv[2:] else MANY_QUERIES
    client, dataset = connect(url), f"bench_{uuid.uuid4().hex[:8]}"
    client.create_dataset(dataset)
    found = small(client, dataset)
    found |= large(client, dataset)
    start = time.perf_counter()
    grow(url, queries)
    found["growing"] = [time.perf_counter() - start]
    found |= {f"{name}, later": seconds for name, seconds in small(client, dataset).items()}
    found |= clients_at_once(url)
    client.delete_dataset(dataset, delete_contents=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
