"""Jobs and their results on the disk: one SQLite file, and a file for each large result."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from services.bigquery.disk import require_room

KEPT_HOURS = 24
"""How long a query's result can be read (https://cloud.google.com/bigquery/docs/cached-results)."""
SMALL = 2**18
"""Bytes of a result that is kept inside the SQLite file."""
CACHED = 2**26
"""Bytes of the results that stay in memory; clients ask for one as soon as it is there."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    project TEXT, id TEXT, created INTEGER, parent TEXT, state TEXT, resource TEXT, PRIMARY KEY (project, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_by_time ON jobs (created);
CREATE INDEX IF NOT EXISTS jobs_of_parent ON jobs (project, parent, created);
CREATE TABLE IF NOT EXISTS results (
    project TEXT, id TEXT, created INTEGER, fields TEXT, data BLOB, file TEXT, PRIMARY KEY (project, id)
) WITHOUT ROWID;
"""
Key = tuple[str, str]


@dataclass(frozen=True)
class Result:
    """A query's rows.

    Attributes:
        fields: The columns in REST form.
        table: The rows in Arrow form; columns o0, o1, ...
    """

    fields: list[dict[str, Any]]
    table: pa.Table


class History:
    """All jobs of one folder; safe for any number of threads.

    Args:
        folder: Where they are.
        least_free: Bytes of the disk that stay free.
        most: Bytes of all results; beyond them the oldest go before their time.
    """

    def __init__(self, folder: Path, least_free: int = 0, most: int = 4 * 2**30) -> None:
        self._folder, self._least_free, self._most = folder, least_free, most
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._database = sqlite3.connect(folder / "jobs.sqlite", check_same_thread=False, isolation_level=None)
        # A crash of the process loses nothing; one of the machine perhaps the last jobs, but never the file
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "auto_vacuum = INCREMENTAL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_SCHEMA)
        self._cache: OrderedDict[Key, Result] = OrderedDict()
        self._sweep()
        self._size = self._size_of_all()

    def save(self, project: str, name: str, created: int, parent: str, state: str, resource: dict[str, Any]) -> None:
        """Writes a job as it is now; `created` in milliseconds since 1970."""
        row = (project, name, created, parent, state, json.dumps(resource))
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?)", row)

    def load(self, project: str, name: str) -> dict[str, Any] | None:
        """A job."""
        with self._lock:
            sql = "SELECT resource FROM jobs WHERE project = ? AND id = ?"
            found = self._database.execute(sql, (project, name)).fetchone()
        return json.loads(found[0]) if found else None

    def find(
        self,
        project: str,
        parent: str = "",
        states: Sequence[str] = (),
        first: int = 0,
        last: int = 2**62,
        offset: int = 0,
        most: int = -1,
    ) -> list[dict[str, Any]]:
        """A project's jobs, the newest first.

        Args:
            project: Their project.
            parent: Of a script's jobs; empty for those that have no parent.
            states: PENDING, RUNNING, DONE; empty for all.
            first: The earliest time of creation, in milliseconds since 1970.
            last: The latest.
            offset: How many to leave out.
            most: How many to give; -1 for all.
        """
        wanted = ", ".join("?" * len(states))
        sql = "SELECT resource FROM jobs WHERE project = ? AND parent = ? AND created BETWEEN ? AND ?"
        sql += f" AND state IN ({wanted})" if states else ""
        sql += " ORDER BY created DESC, id DESC LIMIT ? OFFSET ?"
        with self._lock:
            found = self._database.execute(sql, (project, parent, first, last, *states, most, offset)).fetchall()
        return [json.loads(one) for (one,) in found]

    def all_of(self, project: str) -> list[dict[str, Any]]:
        """All of a project's jobs, those of scripts, too."""
        with self._lock:
            found = self._database.execute("SELECT resource FROM jobs WHERE project = ?", (project,)).fetchall()
        return [json.loads(one) for (one,) in found]

    def running(self) -> list[tuple[str, str]]:
        """The jobs that were running when the server ended."""
        with self._lock:
            return self._database.execute("SELECT project, id FROM jobs WHERE state <> 'DONE'").fetchall()

    def projects(self) -> list[str]:
        """Projects that have jobs."""
        with self._lock:
            return [name for (name,) in self._database.execute("SELECT DISTINCT project FROM jobs")]

    def save_result(self, project: str, name: str, created: int, result: Result) -> None:
        """Keeps a query's rows."""
        data, file = b"", ""
        if result.table.nbytes > SMALL:
            file = f"{secrets.token_hex(16)}.arrow"
            require_room(self._folder, self._least_free, result.table.nbytes)
            with pa.OSFile(str(self._folder / file), "wb") as sink:
                _write(sink, result.table)
        else:
            buffer = pa.BufferOutputStream()
            _write(buffer, result.table)
            data = buffer.getvalue().to_pybytes()
        row = (project, name, created, json.dumps(result.fields), data, file)
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)", row)
            self._remember((project, name), result)
            self._size += len(data) + self._bytes_of(file)
            self._drop_oldest((project, name))

    def result(self, project: str, name: str) -> Result | None:
        """A query's rows; None once they have expired."""
        with self._lock:
            if (known := self._cache.get((project, name))) is not None:
                return known
            sql = "SELECT fields, data, file FROM results WHERE project = ? AND id = ?"
            found = self._database.execute(sql, (project, name)).fetchone()
            if not found:
                return None
            fields, data, file = found
            source = pa.memory_map(str(self._folder / file)) if file else pa.BufferReader(data)
            result = Result(json.loads(fields), pa.ipc.open_file(source).read_all())
            self._remember((project, name), result)
            return result

    def delete(self, project: str, name: str) -> None:
        """Forgets a job and its result."""
        with self._lock:
            self._forget("project = ? AND id = ?", (project, name))

    def forget(self, before: int) -> None:
        """Forgets what is older than a time in milliseconds since 1970."""
        with self._lock:
            self._forget("created < ?", (before,))
            self._database.execute("PRAGMA incremental_vacuum")

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    def _bytes_of(self, file: str) -> int:
        try:
            return (self._folder / file).stat().st_size if file else 0
        except OSError:
            return 0

    def _size_of_all(self) -> int:
        found = self._database.execute("SELECT coalesce(sum(length(data)), 0) FROM results").fetchone()[0]
        files = self._database.execute("SELECT file FROM results WHERE file <> ''").fetchall()
        return int(found) + sum(self._bytes_of(file) for (file,) in files)

    def _drop_oldest(self, kept: Key) -> None:
        """Forgets the oldest results while all together are too large; not the newest one, nor any job."""
        while self._size > self._most:
            sql = "SELECT project, id, file, length(data) FROM results WHERE (project, id) <> (?, ?) ORDER BY created"
            old = self._database.execute(f"{sql} LIMIT 100", kept).fetchall()
            if not old:
                return
            for project, name, file, size in old:
                if self._size <= self._most:
                    return
                self._size -= size + self._bytes_of(file)
                self._database.execute("DELETE FROM results WHERE project = ? AND id = ?", (project, name))
                self._cache.pop((project, name), None)
                if file:
                    (self._folder / file).unlink(missing_ok=True)

    def _remember(self, key: Key, result: Result) -> None:
        self._cache[key] = result
        while len(self._cache) > 1 and sum(one.table.nbytes for one in self._cache.values()) > CACHED:
            self._cache.popitem(last=False)
        while len(self._cache) > 100:
            self._cache.popitem(last=False)

    def _forget(self, where: str, values: tuple[Any, ...]) -> None:
        files = self._database.execute(f"SELECT project, id, file FROM results WHERE {where}", values).fetchall()
        for table in ("results", "jobs"):
            self._database.execute(f"DELETE FROM {table} WHERE {where}", values)
        for project, name, file in files:
            self._cache.pop((project, name), None)
            if file:
                (self._folder / file).unlink(missing_ok=True)
        self._size = self._size_of_all() if files else self._size

    def _sweep(self) -> None:
        """Removes files of results that no row names: a server that was killed left them."""
        known = {file for (file,) in self._database.execute("SELECT file FROM results WHERE file <> ''")}
        for file in self._folder.glob("*.arrow"):
            if file.name not in known:
                with suppress(OSError):
                    file.unlink()


def _write(sink: Any, table: pa.Table) -> None:
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
