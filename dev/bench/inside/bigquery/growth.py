"""Measures how queries grow with rows, columns, tables and clients, and prints the table of docs/emulators.md.

`.venv/bin/python -m dev.bench.inside.bigquery.growth http://localhost:9050` measures a running platform, in a
dataset of its own, which it deletes.
"""

from __future__ import annotations

import statistics
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dev.bench.inside.bigquery.server import connect, timed

ROWS = (4_000, 40_000, 400_000, 4_000_000)
COLUMNS = (5, 50, 500)
TABLES = (10, 100, 1_000)
CLIENTS = (1, 10, 30)
REPEATS = 15
Line = tuple[str, float, float]
"""What there was, and the milliseconds of two statements."""


def median(client: Any, sql: str, repeats: int = REPEATS) -> float:
    """Return the median of a statement, in milliseconds; the first time does not count."""

    def ask() -> None:
        list(client.query_and_wait(sql))

    ask()
    return 1000 * statistics.median(timed(ask, repeats))


def by_rows(client: Any, dataset: str) -> Iterator[Line]:
    """Yield a count by group, and the CREATE TABLE AS of its table."""
    group = f"SELECT zone, COUNT(*), SUM(x) FROM {dataset}.many_rows GROUP BY zone ORDER BY zone"
    for rows in ROWS:
        numbers = f"UNNEST(GENERATE_ARRAY(0, {rows // 1000 - 1})) AS a, UNNEST(GENERATE_ARRAY(0, 999)) AS b"
        select = f"SELECT MOD(a * 1000 + b, 265) AS zone, a AS x FROM {numbers}"
        create = median(client, f"CREATE OR REPLACE TABLE {dataset}.many_rows AS {select}", 3)
        yield f"{rows:,} rows: `GROUP BY`; `CREATE TABLE AS`", median(client, group), create


def by_columns(client: Any, dataset: str) -> Iterator[Line]:
    """Yield a query of one column, and one of all."""
    for columns in COLUMNS:
        items = ", ".join(f"{number} AS c{number}" for number in range(columns))
        client.query_and_wait(f"CREATE OR REPLACE TABLE {dataset}.wide AS SELECT {items}")
        one = median(client, f"SELECT SUM(c0) FROM {dataset}.wide")
        yield f"{columns} columns: sum of one; all of them", one, median(client, f"SELECT * FROM {dataset}.wide")


def by_tables(client: Any, dataset: str) -> Iterator[Line]:
    """Yield a query of one table, and a CREATE TABLE AS."""

    def make(number: int) -> None:
        client.query_and_wait(f"CREATE OR REPLACE TABLE {dataset}.t{number} AS SELECT 1 AS x")

    for tables in TABLES:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(make, range(tables)))
        create = median(client, f"CREATE OR REPLACE TABLE {dataset}.again AS SELECT 1 AS x")
        one = median(client, f"SELECT COUNT(*) FROM {dataset}.t3")
        yield f"{tables:,} tables: count of one; `CREATE TABLE AS`", one, create


def by_clients(url: str, dataset: str) -> Iterator[Line]:
    """Yield the median and the longest of queries that clients send at the same time."""

    def one(_: int) -> list[float]:
        client = connect(url)
        return timed(lambda: list(client.query_and_wait(f"SELECT COUNT(*), MAX(x) FROM {dataset}.t3")), 10)

    for clients in CLIENTS:
        with ThreadPoolExecutor(clients) as pool:
            seconds = [each for part in pool.map(one, range(clients)) for each in part]
        yield f"{clients} clients at once: median; longest", 1000 * statistics.median(seconds), 1000 * max(seconds)


def main() -> None:
    """Measure, and print a line at a time."""
    url = sys.argv[1]
    client, dataset = connect(url), f"growth_{uuid.uuid4().hex[:8]}"
    client.create_dataset(dataset)
    for lines in (by_rows(client, dataset), by_columns(client, dataset), by_tables(client, dataset)):
        for name, first, second in lines:
            print(f"| {name} | {first:.0f} ms | {second:.0f} ms |", flush=True)
    for name, first, second in by_clients(url, dataset):
        print(f"| {name} | {first:.0f} ms | {second:.0f} ms |", flush=True)
    client.delete_dataset(dataset, delete_contents=True)


if __name__ == "__main__":
    main()
