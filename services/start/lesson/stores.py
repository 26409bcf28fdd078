"""Gathers from the stores what the lesson's checks look at: objects, and the rows of tables."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp

from orionbox.lesson.facts import StoredObject, Table
from orionbox.lesson.homework import Q3
from orionbox.stores.staging_tables import run_id_from_name
from services.start.lesson.parquet_footer import NotParquetError, count_rows, footer_length
from services.start.status import TIMEOUT

MOST_OBJECTS = 300
"""Objects whose rows are counted, the newest."""
QUERY_SECONDS = 60
"""Seconds for an answer: a query on many millions of rows goes on while a look no longer waits for it."""
TAIL = 65_536
"""Bytes at an object's end that are read first; a footer is rarely longer."""
PICKUPS = ("tpep_pickup_datetime", "lpep_pickup_datetime", "pickup_datetime")
SOURCE_FILE = "source_file"
WAREHOUSE_QUERY = """
SELECT n.nspname || '.' || c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = %s)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^(pg_|information_schema)'
ORDER BY 1
"""
Json = dict[str, Any]


class StoreFacts:
    """Reads the stores, and keeps the rows of objects and tables that have not changed.

    Args:
        session: the HTTP client.
        gcs: the address of the Cloud Storage emulator.
        bigquery: the address of the BigQuery emulator.
        postgres: `host:port` of Postgres.
    """

    def __init__(self, session: aiohttp.ClientSession, gcs: str, bigquery: str, postgres: str) -> None:
        self._session, self._gcs, self._bigquery, self._postgres = session, gcs, bigquery, postgres
        self._rows: dict[tuple[str, str], int | None] = {}
        self._tables: dict[tuple[str, int], asyncio.Task[Table]] = {}

    async def _json(self, url: str, body: object = None) -> Any:
        method, timeout = "GET" if body is None else "POST", aiohttp.ClientTimeout(total=QUERY_SECONDS)
        async with self._session.request(method, url, json=body, timeout=timeout) as response:
            response.raise_for_status()
            return await response.json()

    async def objects(self) -> tuple[StoredObject, ...]:
        """Returns the objects of all buckets, newest first."""
        api = f"http://{self._gcs}/storage/v1/b"
        buckets = (await self._json(f"{api}?project=local")).get("items", [])
        listings = await asyncio.gather(*(self._json(f"{api}/{quote(each['name'])}/o") for each in buckets))
        found = [each for listing in listings for each in listing.get("items", [])]
        found = [each for each in found if not each["name"].startswith("task-results/")]
        found.sort(key=lambda each: str(each["updated"]), reverse=True)
        rows = await asyncio.gather(*map(self._rows_of, found[:MOST_OBJECTS]))
        counted = [*rows, *[None] * (len(found) - len(rows))]
        return tuple(
            StoredObject(each["bucket"], each["name"], datetime.fromisoformat(each["updated"]), count)
            for each, count in zip(found, counted, strict=True)
        )

    async def _rows_of(self, stored: Json) -> int | None:
        """Returns the rows of a parquet object; None for any other."""
        if not stored["name"].endswith((".parquet", ".parquet.gz", ".pq")):
            return None
        key = (f"{stored['bucket']}/{stored['name']}", f"{stored.get('generation')} {stored['updated']}")
        if key not in self._rows:
            self._rows[key] = await self._count(stored)
        return self._rows[key]

    async def _count(self, stored: Json) -> int | None:
        size = int(stored["size"])
        url = f"http://{self._gcs}/storage/v1/b/{quote(stored['bucket'])}/o/{quote(stored['name'], safe='')}?alt=media"
        try:
            tail = await self._tail(url, size, TAIL)
            if footer_length(tail) > len(tail):
                tail = await self._tail(url, size, footer_length(tail))
            return count_rows(tail)
        except NotParquetError:
            return None

    async def _tail(self, url: str, size: int, length: int) -> bytes:
        headers = {"Range": f"bytes={max(0, size - length)}-{max(0, size - 1)}"}
        async with self._session.get(url, headers=headers) as response:
            response.raise_for_status()
            return (await response.read())[-length:]

    async def tables(self) -> tuple[Table, ...]:
        """Returns the tables of BigQuery with their rows, those of students first."""
        counts: dict[str, int] = (await self._json(f"http://{self._bigquery}/counts"))["rows"]
        # Not what a load under way has staged: it may fail
        names = [name for name in counts if not run_id_from_name(name.rpartition(".")[2])]
        tables = await asyncio.gather(*(self._table(name, counts[name]) for name in names))
        return tuple(sorted((table for table in tables if table.rows), key=lambda table: bool(table.by_file)))

    async def _table(self, full_name: str, rows: int) -> Table:
        project, dataset, table = full_name.split(".", 2)
        name, key = f"{dataset}.{table}", (full_name, rows)
        if not rows:
            return Table(name, rows)
        if key not in self._tables or self._tables[key].cancelled() or _has_failed(self._tables[key]):
            self._tables[key] = asyncio.create_task(self._count_table(project, dataset, table, rows))
        return await asyncio.shield(self._tables[key])

    async def _count_table(self, project: str, dataset: str, table: str, rows: int) -> Table:
        name = f"{dataset}.{table}"
        api = f"http://{self._bigquery}/bigquery/v2/projects/{quote(project)}"
        described = await self._json(f"{api}/datasets/{quote(dataset)}/tables/{quote(table)}")
        columns = [column["name"] for column in described.get("schema", {}).get("fields", ())]
        by_file, by_month = {}, {}
        if SOURCE_FILE in columns:
            by_file = await self._query(project, f"SELECT {SOURCE_FILE}, COUNT(*) FROM `{name}` GROUP BY 1")
        elif pickup := next((column for column in PICKUPS if column in columns), ""):
            by_month = await self._query(
                project,
                f"SELECT FORMAT_TIMESTAMP('%Y-%m', CAST({pickup} AS TIMESTAMP)), COUNT(*) FROM `{name}` GROUP BY 1",
            )
            by_month = {month: by_month[month] for month in by_month if month in {each.month for each in Q3}}
        return Table(name, rows, by_file, by_month)

    async def _query(self, project: str, sql: str) -> dict[str, int]:
        body = {"query": sql, "useLegacySql": False, "maxResults": 10_000}
        answer = await self._json(f"http://{self._bigquery}/bigquery/v2/projects/{quote(project)}/queries", body)
        cells = ([cell["v"] for cell in row["f"]] for row in answer.get("rows", ()))
        return {str(name): int(rows) for name, rows in cells}

    async def warehouse(self, password: str) -> tuple[Table, ...]:
        """Returns the tables of Postgres with their rows."""
        return await asyncio.to_thread(count_warehouse, self._postgres, password)


def _has_failed(task: asyncio.Task[Table]) -> bool:
    return task.done() and task.exception() is not None


def count_warehouse(address: str, password: str) -> tuple[Table, ...]:
    """Returns the tables of the warehouse.

    Raises:
        psycopg2.Error: Postgres does not answer.
    """
    import psycopg2
    from psycopg2 import sql

    host, _, port = address.rpartition(":")
    connection = psycopg2.connect(
        host=host,
        port=int(port),
        dbname="ny_taxi",
        user="ny_taxi",
        password=password,
        connect_timeout=TIMEOUT,
        options=f"-c statement_timeout={TIMEOUT * 1000} -c default_transaction_read_only=on",
    )
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(WAREHOUSE_QUERY, [SOURCE_FILE])
        found = []
        for name, has_source in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*name.split(".", 1))))
            (rows,) = cursor.fetchone() or (0,)
            found.append(Table(name, rows, by_file={"": rows} if has_source else {}))
        return tuple(found)
