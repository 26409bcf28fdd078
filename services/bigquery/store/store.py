"""The store: all data of one folder, in one DuckDB file."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path as Folder
from typing import Any, TypeVar

from services.bigquery.errors import BigQueryError
from services.bigquery.language.pool import is_stopped
from services.bigquery.pressure import Pressure
from services.bigquery.queries import Queries
from services.bigquery.records import Path, Resource, Size
from services.bigquery.settings import Limits
from services.bigquery.store import backup, takeover
from services.bigquery.store.database import SPILL, Database
from services.bigquery.store.knowledge import External, Knowledge
from services.bigquery.store.locks import Watch
from services.bigquery.store.refusals import Conflict
from services.bigquery.store.session import Running, Session, Versions
from services.bigquery.store.transaction import StoreTransaction, now_ms

T = TypeVar("T")
_WORTH_IT = 16 * 2**20
"""Bytes of free space in the file for which it is rewritten."""
_WAIT = 10.0
"""Seconds that rewriting waits for running statements to end."""
_TAKE_OVER = 3600.0
"""Seconds that taking over data of 0.1.0 may take."""
MOST_SIZES = 5000
"""How many tables' sizes are remembered; a change of a table makes another one."""
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
        self._running = Running(database.limits.statements, Pressure(database.folder, database.limits))
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
                with self._running.watched(session), _stopping(watch):
                    try:
                        yield transaction
                        session.commit(transaction.changes)
                        self._remember(transaction.new_sizes)
                    except BigQueryError as error:
                        if watch.is_over:
                            # What was stopped knows that it was, not why
                            raise session.stopped() from error
                        raise
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

    def _remember(self, sizes: dict[tuple[int, int], Size]) -> None:
        self._sizes.update(sizes)
        while len(self._sizes) > MOST_SIZES:
            self._sizes.pop(next(iter(self._sizes)), None)

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
        """Drops tables that have expired and old files of 0.1.0, and gives back the space of what was dropped.

        Args:
            days: How long ago a table must have expired, and data of 0.1.0 been taken over.
            dry_run: Whether to say only what it would do.

        Returns:
            `files`: tables that had expired, and files of 0.1.0. `bytes`: what the disk gets back.
        """
        old, size = takeover.prune_old_files(self._database.folder, days, dry_run)
        found = self._prune(days, dry_run)
        return {"files": found["files"] + old, "bytes": found["bytes"] + size}

    def _prune(self, days: float, dry_run: bool) -> dict[str, int]:
        latest = now_ms() - int(days * 86_400_000)
        expired = self.run(lambda transaction: transaction.drop_expired(latest, dry_run))
        if dry_run:
            return {"files": expired, "bytes": self._database.free_bytes()}
        before = self._database.file.stat().st_size
        self._database.checkpoint()
        if self._database.free_bytes() > _WORTH_IT:
            self.require_room(before)
            with self._running.alone(_WAIT) as is_alone:
                if is_alone:
                    self._database.rewrite(backup.copy)
        return {"files": expired, "bytes": max(before - self._database.file.stat().st_size, 0)}

    def backup(self) -> Iterator[bytes]:
        """A tar of all data as they are now; made before this returns, so that an error comes at once."""
        self.require_room(self._database.file.stat().st_size)
        with self._database.cursor() as cursor:
            return backup.stream(cursor, self._database.folder)

    def counts(self) -> dict[str, Any]:
        """The rows by table and the bytes of data, as of now."""
        with self.transaction() as transaction:
            rows = backup.rows_by_table(transaction.connection, transaction.catalogue)
        return {"rows": rows, "bytes": self._database.file.stat().st_size}

    def require_room(self, needed: int = 0) -> None:
        """Refuses what would fill the disk."""
        self._running.pressure.require_room(needed)

    def close(self) -> None:
        """Writes everything and closes the files."""
        self._running.close()
        self._database.close()


@contextlib.contextmanager
def _stopping(watch: Watch) -> Iterator[None]:
    """Lets the limit hold for what the SQL module does for this thread, too."""
    before = is_stopped.set(lambda: watch.is_over)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the transaction of a session, which another thread began
            is_stopped.reset(before)


def _check(watch: Watch) -> None:
    if watch.is_over:
        raise Conflict("a table that another job changes")


def open_store(
    folder: Folder,
    queries: Queries,
    limits: Limits | None = None,
    external: External | None = None,
    shares_projects: bool = False,
    jobs: Callable[[str], Sequence[Resource]] = lambda project: (),
) -> FileStore:
    """Opens the data of a folder, and creates it if it is new.

    Args:
        folder: Where the files are; nobody else may have it open.
        queries: Analyzer and evaluator, for views and default values.
        limits: What it may use.
        external: Reads the files behind an external table: Arrow data with the fields' names and `Type.arrow`.
        shares_projects: Whether a table that the named project lacks is looked for in the others.
        jobs: Gives a project's jobs in REST form, for INFORMATION_SCHEMA.JOBS.

    Raises:
        BigQueryError: The file is damaged, or another process has it.
    """
    known, knowledge = limits or Limits(), Knowledge(queries, external, shares_projects, jobs)

    def fill(new: Folder, work: Callable[[StoreTransaction], None]) -> None:
        with contextlib.closing(_opened(new, known, knowledge)) as store:
            store.run(work, seconds=_TAKE_OVER)

    folder.mkdir(parents=True, exist_ok=True)
    if takeover.is_needed(folder):
        takeover.take_over(folder, fill)
    takeover.move_old_files(folder)
    backup.sweep(folder)
    return _opened(folder, known, knowledge)


def _opened(folder: Folder, limits: Limits, knowledge: Knowledge) -> FileStore:
    shutil.rmtree(folder / SPILL, ignore_errors=True)  # left by a server that was killed
    (folder / SPILL).mkdir()
    store = FileStore(Database(folder, limits), knowledge)
    store.run(StoreTransaction.drop_temporary)
    return store
