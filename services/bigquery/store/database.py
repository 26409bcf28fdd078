"""The file: one DuckDB database with all rows and the catalogue, its limits, and its cursors.

DuckDB's own tables were measured against DuckLake (DuckDB 1.5.5, two busy cores, medians): CREATE TABLE AS of one row
8 ms and 528 ms, INSERT of one row 4 ms and 206 ms, a count 0.3 ms and 20 ms, 1.37 million rows 0.80 s and 0.82 s. What
DuckLake has more is time travel.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import duckdb

from services.bigquery import pressure
from services.bigquery.compiler.signatures import connection as compiled
from services.bigquery.errors import BigQueryError
from services.bigquery.settings import Limits
from services.bigquery.store.catalogue import Catalogue, loaded

FILE = "bigquery.duckdb"
SPILL = "spill"
MOST_FUNCTIONS = 200
"""How many functions DuckDB keeps that no statement uses: each query may need others."""
LEAST_MEMORY = 128 * 2**20
SETTINGS = {
    # A local variable of this program is no table
    "python_enable_replacements": "false",
    "preserve_insertion_order": "true",
    "temp_file_encryption": "false",
    "checkpoint_threshold": "'64MB'",
    # Memory that a statement had goes back within seconds; by default DuckDB keeps it for the next one
    "allocator_flush_threshold": "'1MB'",
    "allocator_bulk_deallocation_flush_threshold": "'1MB'",
}


class Database:
    """DuckDB with the file attached as `store`; its macros and functions lie outside the file."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self._free: list[Any] = []
        self._lock = threading.Lock()
        self._late = threading.Lock()
        self._functions: dict[str, int] = {}
        self._removable: OrderedDict[str, None] = OrderedDict()
        self._held: Counter[str] = Counter()
        self._count = 0
        self._discarded: list[Any] = []
        self._root = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        self._open()

    @property
    def file(self) -> Path:
        """The database's file."""
        return self.folder / FILE

    def _open(self) -> None:
        self._attach()
        limits = self.limits
        memory = limits.memory or max(pressure.total_of(limits) // 3, LEAST_MEMORY)
        folders = ", ".join(quoted(folder) for folder in (self.folder, *limits.folders))
        settings = {
            **SETTINGS,
            "memory_limit": f"'{memory}B'",
            "temp_directory": quoted(self.folder / SPILL),
            "max_temp_directory_size": f"'{limits.spill}B'",
            "allowed_directories": f"[{folders}]",
        }
        for name, value in settings.items():
            self._root.execute(f"SET GLOBAL {name} = {value}")
        compiled.prepare(self._root)
        self._root.execute("SET GLOBAL lock_configuration = true")
        self._root.execute("CREATE TABLE IF NOT EXISTS store.main.catalogue (key VARCHAR, value VARCHAR)")
        self._root.execute("CREATE TABLE IF NOT EXISTS store.main.versions (version BIGINT)")

    def _attach(self) -> None:
        try:
            self._root.execute(f"ATTACH {quoted(self.file)} AS store")
        except duckdb.Error as error:
            text = str(error).splitlines()[0]
            raise BigQueryError("internalError", f"BigQuery's data in {self.file} cannot be opened: {text}") from error

    def free_bytes(self) -> int:
        """Bytes in the file that hold nothing, because rows or tables were dropped."""
        sql = "SELECT block_size * free_blocks FROM pragma_database_size() WHERE database_name = 'store'"
        return int(self._root.execute(sql).fetchall()[0][0])

    def rewrite(self, copy: Callable[[Any, Path], None]) -> None:
        """Makes the file as small as its content is; no transaction may use it meanwhile.

        Args:
            copy: Copies what is committed into a new file, with a cursor.
        """
        new, log = self.folder / f"{FILE}.new", self.folder / f"{FILE}.wal"
        new.unlink(missing_ok=True)
        copy(self._root, new)
        self._root.execute("CHECKPOINT store")
        self._root.execute("DETACH store")
        try:
            # Changes that are not in the file itself would be lost
            if not log.exists() or log.stat().st_size == 0:
                os.replace(new, self.file)
        finally:
            new.unlink(missing_ok=True)
            self._attach()

    def load(self) -> tuple[Catalogue, int]:
        """The catalogue as the file has it, and the largest number of a table in it."""
        self._root.execute("DELETE FROM store.main.versions")
        self._root.execute("INSERT INTO store.main.versions VALUES (0)")
        rows = self._root.execute("SELECT key, value FROM store.main.catalogue").fetchall()
        return loaded(rows), max(self.numbers(), default=0)

    def numbers(self) -> list[int]:
        """The numbers of the tables t<number> that there are."""
        names = self._root.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'store'").fetchall()
        return [int(name[1:]) for (name,) in names if name[1:].isdigit()]

    @contextlib.contextmanager
    def cursor(self) -> Iterator[Any]:
        """A cursor that nobody else has."""
        with self._lock:
            cursor = self._free.pop() if self._free else None
        cursor = cursor or self._root.cursor()
        try:
            yield cursor
        finally:
            with self._lock:
                if cursor in self._discarded:
                    self._discarded.remove(cursor)
                    cursor.close()
                else:
                    self._free.append(cursor)

    @property
    def functions(self) -> int:
        """How many functions have been registered; a transaction sees those of before it began."""
        return self._count

    def number_of(self, name: str) -> int:
        """As which of them a function was registered; beyond all of them if it was not."""
        return self._functions.get(name, self._count + 1)

    def create_function(self, name: str, function: Any, *arguments: Any, **options: Any) -> None:
        """Registers a function for the transactions that begin from now on, unless there is one of this name.

        The caller holds it until `release`.
        """
        with self._lock:
            if name not in self._functions:
                self._root.create_function(name, function, *arguments, **options)
                self._removable[name] = None
                self._created(name)
            self._held[name] += 1
            if name in self._removable:
                self._removable.move_to_end(name)

    def release(self, names: Collection[str]) -> None:
        """Gives functions up; of those that nobody holds the last ones stay, for the next statement."""
        with self._lock:
            self._held.subtract(names)
            self._held = +self._held
            over = len(self._removable) - MOST_FUNCTIONS
            free = [name for name in self._removable if name not in self._held] if over > 0 else []
            for name in free[: max(over, 0)]:
                with contextlib.suppress(duckdb.Error):  # another time
                    self._root.remove_function(name)
                    del self._removable[name], self._functions[name]

    @contextlib.contextmanager
    def late(self, check: Callable[[], None]) -> Iterator[None]:
        """The right to register functions inside a transaction that has begun: one transaction has it.

        Args:
            check: Called while waiting; raises to give up.
        """
        while not self._late.acquire(timeout=0.1):
            check()
        try:
            yield
        finally:
            self._late.release()

    def created(self, names: Collection[str]) -> None:
        """Notes functions that a transaction registered and committed."""
        with self._lock:
            for name in names:
                self._created(name)

    def _created(self, name: str) -> None:
        self._count += 1
        self._functions[name] = self._count

    def discard(self, cursor: Any) -> None:
        """Closes a cursor that knows functions which were rolled back."""
        with self._lock:
            self._discarded.append(cursor)

    def checkpoint(self) -> None:
        """Writes all committed changes into the file itself, where nothing hinders it."""
        with contextlib.suppress(duckdb.Error), self.cursor() as cursor:
            cursor.execute("CHECKPOINT store")

    def close(self) -> None:
        """Writes everything and closes the file."""
        for cursor in self._free:
            cursor.close()
        with contextlib.suppress(duckdb.Error):
            self._root.execute("CHECKPOINT store")
        self._root.close()


def quoted(path: Path) -> str:
    """A path as DuckDB SQL."""
    return "'" + str(path).replace("'", "''") + "'"
