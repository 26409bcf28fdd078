"""Read sessions: the rows of one moment, in an Arrow file until they have been read."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from services.bigquery.errors import BigQueryError
from services.bigquery.jobs import rows
from services.bigquery.jobs.destinations import ANONYMOUS
from services.bigquery.jobs.job import Jobs
from services.bigquery.records import Path as TablePath
from services.bigquery.records import Store, Transaction
from services.bigquery.schema import invalid

KEPT_SECONDS = 6 * 3600
"""How long a session lives, as Google's do."""
MOST_BYTES = 4 * 2**30
"""Of all sessions; beyond them the oldest end before their time."""
_TABLE = re.compile(r"projects/([^/]+)/datasets/([^/]+)/tables/([^/]+)")
_BATCH = 10_000
"""Rows of a record batch; a message of gRPC has at most some megabytes."""
Fields = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Session:
    """A session.

    Attributes:
        name: projects/P/locations/L/sessions/S.
        file: Its rows; columns with the names and types of the Storage API.
        rows: How many.
        bytes: Of them.
        schema: Their Arrow schema.
        began: When, on the monotonic clock.
    """

    name: str
    file: Path
    rows: int
    bytes: int
    schema: pa.Schema
    began: float


class Sessions:
    """All sessions of a server.

    Args:
        folder: Where the files are.
        store: The tables.
        jobs: The results, and what runs queries for row restrictions.
    """

    def __init__(self, folder: Path, store: Store, jobs: Jobs) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder, self._store, self._jobs = folder, store, jobs
        self._known: dict[str, Session] = {}
        self._lock = threading.Lock()

    def create(self, table: str, selected: Sequence[str], restriction: str) -> Session:
        """Begins a session.

        Args:
            table: projects/P/datasets/D/tables/T.
            selected: The columns; empty for all.
            restriction: A condition in GoogleSQL; empty for all rows.

        Raises:
            BigQueryError: The table is not there, or the condition is wrong.
        """
        self._forget_old()
        found = _TABLE.fullmatch(table)
        if not found:
            raise invalid(f"Invalid table name: {table[:200]}")
        path = (found[1], found[2], found[3])
        name = secrets.token_hex(16)
        file = self._folder / f"{name}.arrow"
        if restriction:
            fields, content = self._restricted(path, selected, restriction)
            made = self._write(file, fields, iter([content]))
        elif path[1] == ANONYMOUS:
            fields, content = self._result(path, selected)
            made = self._write(file, fields, iter([content]))
        else:
            with self._store.transaction() as tx:
                made = self._write(file, *_read(tx, path, selected))
        session = Session(f"projects/{path[0]}/locations/us/sessions/{name}", file, *made, time.monotonic())
        with self._lock:
            self._known[session.name] = session
            sizes = sum(one.bytes for one in self._known.values())
            for old in [one for one in self._known.values() if one is not session]:
                if sizes <= MOST_BYTES:
                    break
                sizes -= old.bytes
                self._known.pop(old.name).file.unlink(missing_ok=True)
        return session

    def get(self, name: str) -> Session:
        """A session.

        Raises:
            BigQueryError: There is none (any more).
        """
        with self._lock:
            if name not in self._known:
                raise BigQueryError("notFound", f"Not found: Session {name[:200]}", status=404)
            return self._known[name]

    def _restricted(self, path: TablePath, selected: Sequence[str], restriction: str) -> tuple[Fields, pa.Table]:
        columns = ", ".join(f"`{name}`" for name in _heads(selected)) or "*"
        sql = f"SELECT {columns} FROM `{'.'.join(path)}` WHERE ({restriction}\n)"
        job = self._jobs.insert(path[0], {"configuration": {"query": {"query": sql, "useLegacySql": False}}})
        job.done.wait()
        if job.error:
            raise job.error
        result = self._jobs.result(job)
        assert result is not None
        return result.fields, result.table

    def _result(self, path: TablePath, selected: Sequence[str]) -> tuple[Fields, pa.Table]:
        result = self._jobs.result(self._jobs.get(path[0], path[2].removeprefix("anon")))
        if result is None:
            raise BigQueryError("notFound", f"Not found: Table {path[0]}:{path[1]}.{path[2]}", status=404)
        places = _places(result.fields, selected)
        return [result.fields[place] for place in places], result.table.select([f"o{place}" for place in places])

    def _write(self, file: Path, fields: Fields, content: Iterator[pa.Table]) -> tuple[int, int, pa.Schema]:
        schema = rows.arrow_schema(fields)
        count = size = 0
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for piece in content:
                public = rows.arrow_fields(piece, fields)
                self._store.require_room(public.nbytes)
                writer.write_table(public, _BATCH)
                count, size = count + public.num_rows, size + public.nbytes
        return count, size, schema

    def _forget_old(self) -> None:
        with self._lock:
            old = [one for one in self._known.values() if time.monotonic() - one.began > KEPT_SECONDS]
            for session in old:
                self._known.pop(session.name).file.unlink(missing_ok=True)


def _heads(selected: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in selected))


def _places(fields: Fields, selected: Sequence[str]) -> list[int]:
    names = [field["name"].lower() for field in fields]
    heads = [name.lower() for name in _heads(selected)]
    for head in heads:
        if head not in names:
            raise invalid(f"request failed: The following selected fields do not exist in the table schema: {head}")
    return [place for place, name in enumerate(names) if not heads or name in heads]


def _read(tx: Transaction, path: TablePath, selected: Sequence[str]) -> tuple[Fields, Iterator[pa.Table]]:
    table = tx.table((path[0], path[1], path[2].partition("$")[0]))
    if table.kind in ("VIEW", "MATERIALIZED_VIEW"):
        raise invalid(f"request failed: table {path[0]}:{path[1]}.{path[2]} is a {table.kind}, which cannot be read")
    relation = tx.relation(table.path)
    places = _places(table.fields, selected)
    columns = ", ".join(f"{relation.columns[place]} AS o{number}" for number, place in enumerate(places))
    reader = tx.connection.execute(f"SELECT {columns} FROM {relation.sql}").to_arrow_reader(100_000)
    return [table.fields[place] for place in places], (pa.Table.from_batches([batch]) for batch in reader)
