"""One writer at a time for each table; the others wait for their turn."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator

from services.bigquery.errors import BigQueryError
from services.bigquery.records import Path

_LOOK = 0.2
"""Seconds between two looks at whether a waiting job was cancelled."""


class TableLocks:
    """Locks by name, all of a transaction taken at once, so that no two transactions wait for each other."""

    def __init__(self) -> None:
        self._taken: set[Path] = set()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def held(self, paths: Collection[Path], check: Callable[[], None]) -> Iterator[None]:
        """Waits until nobody else holds any of the tables, and holds them.

        Args:
            paths: The tables.
            check: Called while waiting; raises to give up.
        """
        wanted = set(paths)
        with self._changed:
            while wanted & self._taken:
                check()
                self._changed.wait(_LOOK)
            self._taken |= wanted
        try:
            yield
        finally:
            with self._changed:
                self._taken -= wanted
                self._changed.notify_all()


class Watch:
    """The limit of a transaction: its time, whether somebody cancelled it, and why the server itself ends it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_cancelled = False
        self.error: BigQueryError | None = None
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether it must stop."""
        return self.is_cancelled or self.error is not None or time.monotonic() > self._end
