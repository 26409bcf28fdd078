"""A transaction's hold on DuckDB: begun late, watched, committed with the catalogue or rolled back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import duckdb

from services.bigquery.errors import BigQueryError
from services.bigquery.pressure import Pressure
from services.bigquery.store.catalogue import Catalogue, Key, Value, key_text, value_text
from services.bigquery.store.connection import Connection, broken_rule
from services.bigquery.store.database import Database
from services.bigquery.store.locks import TableLocks, Watch
from services.bigquery.store.refusals import Conflict

_SNAPSHOTS = 64
"""How many versions of the catalogue are kept for transactions that are just beginning."""
_LOOK = 0.1
"""Seconds between two looks of a transaction that waits for its turn."""
_GROWING = ("INSERT", "UPDATE", "MERGE ", "CREATE")
"""What statements begin with that need more disk."""


class Versions:
    """The catalogue as committed, and the versions before it.

    DuckDB decides which version a transaction sees: it reads the number in its own snapshot.
    """

    def __init__(self, catalogue: Catalogue, number: int) -> None:
        self.turn = threading.Lock()
        self._numbers = number
        self._version = 0
        self._snapshots: OrderedDict[int, Catalogue] = OrderedDict({0: catalogue})

    @property
    def current(self) -> Catalogue:
        """The newest."""
        return self._snapshots[self._version]

    def at(self, version: int) -> Catalogue:
        """A version."""
        return self._snapshots[version]

    def next_number(self) -> int:
        """A number that no table has had."""
        with self.turn:
            self._numbers += 1
            return self._numbers

    @contextlib.contextmanager
    def published(self, changes: Mapping[Key, tuple[Value | None, Value | None]]) -> Iterator[int]:
        """The next version, which stays if the commit inside succeeds.

        Args:
            changes: By key, the value that the transaction saw and the one that it wants.
        """
        with self.turn:
            catalogue, version = self.current, self._version + 1
            for key, (before, after) in changes.items():
                if catalogue.at(key) is not before:
                    raise Conflict(_name(key))
                catalogue = catalogue.having(key, after)
            for key in changes:
                contents = catalogue.contents((key[1], key[2]))
                if contents.dataset is None and (contents.tables or contents.routines):
                    raise Conflict(_name(key))
            self._snapshots[version] = catalogue
            try:
                yield version
            except BaseException:
                del self._snapshots[version]
                raise
            self._version = version
            while len(self._snapshots) > _SNAPSHOTS:
                self._snapshots.popitem(last=False)


def _name(key: Key) -> str:
    return f"{key[0]} {key[1]}:{'.'.join(key[2:])}"


class Running:
    """The transactions that are running: their limits, who waits, and how to stop one."""

    def __init__(self, statements: int, pressure: Pressure) -> None:
        self.locks = TableLocks()
        self.pressure = pressure
        self._statements = statements
        self._slots = threading.BoundedSemaphore(statements)
        self._sessions: set[Session] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="bigquery-limits")
        self._thread.start()

    @contextlib.contextmanager
    def watched(self, session: Session) -> Iterator[None]:
        """Watches a session's limit."""
        with self._lock:
            self._sessions.add(session)
        try:
            yield
        finally:
            with self._lock:
                self._sessions.discard(session)

    @contextlib.contextmanager
    def slot(self, session: Session) -> Iterator[None]:
        """Waits until fewer statements than allowed run."""
        while not self._slots.acquire(timeout=_LOOK):
            session.check()
        try:
            yield
        finally:
            self._slots.release()

    @contextlib.contextmanager
    def alone(self, seconds: float) -> Iterator[bool]:
        """Waits until no transaction uses DuckDB, and lets none begin; gives whether that came about in time."""
        end, taken = time.monotonic() + seconds, 0
        try:
            while taken < self._statements and self._slots.acquire(timeout=max(end - time.monotonic(), 0)):
                taken += 1
            yield taken == self._statements
        finally:
            for _ in range(taken):
                self._slots.release()

    def close(self) -> None:
        """Ends the watch."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        seconds = _LOOK
        while not self._ended.wait(seconds):
            with self._lock:
                sessions = list(self._sessions)
            seconds = self.pressure.look(sessions)
            for session in sessions:
                if session.watch.is_over:
                    session.interrupt()


class Session:
    """One transaction in DuckDB.

    Args:
        database: The file.
        versions: The catalogue's.
        running: Where it is counted and watched.
        watch: Its limit.
    """

    def __init__(self, database: Database, versions: Versions, running: Running, watch: Watch) -> None:
        self._database = database
        self._versions = versions
        self._running = running
        self.watch = watch
        self.base = versions.current
        self.seen: dict[Key, Value | None] = {}
        self.has_written = False
        self.grown, self.began = 0.0, time.monotonic()
        self.connection = Connection(self._begun, self._explained, self._create_function)
        self._exit = ExitStack()
        self._cursor: Any = None
        self._is_begun = False
        self._functions = 0
        self._late: list[str] = []
        self._held: list[str] = []

    def check(self) -> None:
        """Raises if the transaction must stop."""
        if self.watch.is_over:
            raise self.stopped()

    def end(self, error: BigQueryError) -> None:
        """Lets it stop soon, with an error."""
        self.watch.error = error

    def interrupt(self) -> None:
        """Stops what DuckDB does for it."""
        cursor = self._cursor
        if cursor is not None:
            with contextlib.suppress(duckdb.Error):
                cursor.interrupt()

    def begin_writing(self) -> None:
        """Begins, if it has not; from now on nothing is begun anew."""
        self._begun("DELETE")

    def _begun(self, sql: str = "") -> Any:
        self.check()
        if self._cursor is None:
            self._exit.enter_context(self._running.slot(self))
            self._cursor = self._exit.enter_context(self._database.cursor())
        if not self._is_begun:
            self._functions = self._database.functions
            for name, table in self.connection.registered.items():
                self._cursor.register(name, table)
            self._cursor.execute("BEGIN")
            self._is_begun = True
            version = self._cursor.execute("SELECT max(version) FROM store.main.versions").fetchall()[0][0]
            self._see(self._versions.at(version))
        word = sql.lstrip("( \n")[:6].upper()
        if word in _GROWING:
            self._running.pressure.require_room()
        self.has_written = self.has_written or word not in ("SELECT", "")
        return self._cursor

    def _see(self, catalogue: Catalogue) -> None:
        if catalogue is not self.base:
            for key, value in self.seen.items():
                if catalogue.at(key) is not value:
                    raise Conflict(_name(key))
            self.base = catalogue

    def _explained(self, error: duckdb.Error) -> Exception:
        if not self.has_written:
            self._rollback()
        if isinstance(error, duckdb.InterruptException) and self.watch.is_over:
            return self.stopped()
        if isinstance(error, duckdb.TransactionException) and "onflict" in str(error):
            return Conflict("a table")
        return broken_rule(error, self._fields) or error

    def _fields(self, number: int) -> dict[str, str]:
        for contents in self.base.datasets.values():
            for entry in contents.tables.values():
                if entry.number == number:
                    names = [str(field["name"]) for field in entry.table.fields]
                    return dict(zip(entry.columns, names, strict=True))
        return {}

    def stopped(self) -> BigQueryError:
        """Why it must stop."""
        if self.watch.error is not None:
            return self.watch.error
        if self.watch.is_cancelled:
            return BigQueryError("stopped", "Job execution was cancelled: User requested cancellation", "query")
        text = f"Operation timed out after {self.watch.seconds:g} seconds. Consider reducing the amount of work"
        text += " performed by your operation so that it can complete within this limit."
        return BigQueryError("timeout", text, "query")

    def _create_function(self, name: str, function: Any, *arguments: Any, **options: Any) -> None:
        """A function is seen by transactions that begin later: this one begins anew, or makes it for itself."""
        if not self.has_written:
            self._database.create_function(name, function, *arguments, **options)
            self._held.append(name)
            if self._is_begun and self._database.number_of(name) > self._functions:
                self._rollback()
            return
        if self._database.number_of(name) <= self._functions or name in self._late:
            return
        if not self._late:
            self._exit.enter_context(self._database.late(self.check))
        self._late.append(name)
        self._cursor.create_function(name, function, *arguments, **options)

    def _rollback(self) -> None:
        if self._is_begun:
            self._is_begun = False
            with contextlib.suppress(duckdb.Error):
                self._cursor.execute("ROLLBACK")

    def commit(self, changes: Mapping[Key, tuple[Value | None, Value | None]]) -> None:
        """Commits rows and catalogue together, or neither.

        Args:
            changes: As of `Versions.published`.
        """
        if changes:
            with self._versions.published(changes) as version:
                self._write(changes, version)
                self._run("COMMIT")
        elif self._is_begun:
            self._run("COMMIT")
        self._is_begun = False
        self._database.created(self._late)
        self._late = []

    def _write(self, changes: Mapping[Key, tuple[Value | None, Value | None]], version: int) -> None:
        keys = [key_text(key) for key in changes]
        new = [(key_text(key), value_text(after)) for key, (_, after) in changes.items() if after is not None]
        self._run("DELETE FROM store.main.catalogue WHERE key IN (SELECT unnest(?))", [keys])
        values = [[key for key, _ in new], [value for _, value in new]]
        self._run("INSERT INTO store.main.catalogue SELECT unnest(?), unnest(?)", values)
        self._run("INSERT INTO store.main.versions VALUES (?)", [version])

    def _run(self, sql: str, parameters: Collection[Any] = ()) -> None:
        try:
            self._cursor.execute(sql, list(parameters)) if parameters else self._cursor.execute(sql)
        except duckdb.Error as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Rolls back what is not committed, and gives back all that it holds."""
        self._rollback()
        if self._cursor is not None:
            self.connection.forget(self._cursor)
        if self._late:
            self._database.discard(self._cursor)
        self._database.release(self._held)
        self._held = []
        self._cursor = None
        self._exit.close()
