"""The store: all data of one folder, in one DuckDB file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path as Folder
from typing import Any, TypeVar

from services.bigquery.queries import Queries
from services.bigquery.records import Path, Size
from services.bigquery.store.database import SPILL, Database, Limits
from services.bigquery.store.knowledge import External, Knowledge
from services.bigquery.store.locks import Watch
from services.bigquery.store.refusals import Conflict
from services.bigquery.store.session import Running, Session, Versions
from services.bigquery.store.transaction import StoreTransaction

T = TypeVar("T")
_ATTEMPTS = 10
"""How often `run` tries a transaction that others get in the way of."""


class FileStore:
    """What `records.Store` describes.

    Args:
        database: The file.
        knowledge: Looks names up.
    """

    def __init__(self, database: Database, knowledge: Knowledge) -> None:
        self._database = database
        self._knowledge = knowledge
        catalogue, number = database.load()
        self._versions = Versions(catalogue, number)
        self._running = Running(database.limits.statements)
        self._sizes: dict[tuple[int, int], Size] = {}
        self._watches: dict[str, set[Watch]] = {}

    @contextlib.contextmanager
    def transaction(
        self, job: str = "", writes: Collection[Path] = (), seconds: float = 0
    ) -> Iterator[StoreTransaction]:
        """Begins a transaction; commits at the end, rolls back after an exception."""
        watch = Watch(seconds or self._database.limits.seconds)
        self._watches.setdefault(job, set()).add(watch)
        try:
            with self._running.locks.held(writes, lambda: _check(watch)):
                session = Session(self._database, self._versions, self._running, watch)
                transaction = StoreTransaction(session, self._versions, self._sizes, self._knowledge)
                try:
                    yield transaction
                    session.commit(transaction.changes)
                finally:
                    session.close()
        finally:
            self._forget(job, watch)

    def run(
        self,
        work: Callable[[StoreTransaction], T],
        job: str = "",
        writes: Collection[Path] = (),
        seconds: float = 0,
    ) -> T:
        """Does something in a transaction, again if another transaction got in its way.

        Args:
            work: Gets the transaction; may be called several times.
            job: As of `transaction`.
            writes: Likewise.
            seconds: Likewise.
        """
        for attempt in range(_ATTEMPTS):
            try:
                with self.transaction(job, writes, seconds) as transaction:
                    return work(transaction)
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.01 * attempt)
        raise AssertionError

    def _forget(self, job: str, watch: Watch) -> None:
        left = self._watches.get(job, set())
        left.discard(watch)
        if not left:
            self._watches.pop(job, None)

    def cancel(self, job: str) -> bool:
        """Interrupts a job's statements."""
        watches = list(self._watches.get(job, ())) if job else []
        for watch in watches:
            watch.is_cancelled = True
        return bool(watches)

    def prune(self, days: float, dry_run: bool) -> dict[str, int]:
        """Gives back the space of dropped data."""
        before = self._database.file.stat().st_size
        if not dry_run:
            self._database.checkpoint()
        return {"files": 0, "bytes": before - self._database.file.stat().st_size}

    def close(self) -> None:
        """Writes everything and closes the files."""
        self._running.close()
        self._database.close()


def _check(watch: Watch) -> None:
    if watch.is_over:
        raise Conflict("a table that another job changes")


def open_store(
    folder: Folder,
    queries: Queries,
    limits: Limits | None = None,
    external: External | None = None,
    shares_projects: bool = False,
    schema_views: Any = None,
) -> FileStore:
    """Opens the data of a folder, and creates it if it is new.

    Args:
        folder: Where the files are; nobody else may have it open.
        queries: Analyzer and evaluator, for views and default values.
        limits: What it may use.
        external: Reads the files behind an external table: Arrow data with the fields' names and `Type.arrow`.
        shares_projects: Whether a table that the named project lacks is looked for in the others.
        schema_views: INFORMATION_SCHEMA.

    Raises:
        BigQueryError: The file is damaged, or another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPILL).mkdir(exist_ok=True)
    return FileStore(Database(folder, limits or Limits()), Knowledge(queries, external, shares_projects, schema_views))
