"""What a fault must not leave behind: containers, locks, tables for loading, runs that are Running for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

from dev.chaos.engine import Containers
from dev.chaos.store_watch import Psql, Reader
from dev.throwaway_platform import OwnPlatform
from orionbox.orion.states import ACTIVE
from orionbox.stores import staging_tables

WITHIN = 75
"""Seconds until all of it must have gone: the sweeper has a minute, and looks every few seconds."""
HALF_MADE = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND NOT relispartition AND relname LIKE '%tripdata%'
"""
LOCKS = "SELECT 'of process ' || pid FROM pg_locks WHERE locktype = 'advisory'"
UNFINISHED = {"state": {"type": {"any_": ACTIVE}}}


class LeftoversError(RuntimeError):
    """Something was left behind; the text names it."""


class Leftovers:
    """Looks for them in every place."""

    def __init__(self, platform: OwnPlatform, containers: Containers, reader: Reader) -> None:
        self._platform, self._containers, self._reader = platform, containers, reader

    def check(self) -> None:
        """Returns when there are none.

        Raises:
            LeftoversError: there are some, for longer than the platform has to remove them.
        """
        deadline = time.monotonic() + WITHIN
        while found := self.found():
            if time.monotonic() > deadline:
                raise LeftoversError(f"left behind after {WITHIN} s: {'; '.join(found)}")
            time.sleep(1)

    def found(self) -> list[str]:
        """All that is there now, a line for each kind; a place that does not answer counts."""
        places: dict[str, Callable[[], list[str]]] = {
            "run containers": lambda: [name[:12] for name in self._containers.runs()],
            "tables for loading in BigQuery": self._loading,
            "tables for loading in Postgres": lambda: self._in_postgres(HALF_MADE),
            "locks in Postgres": lambda: self._in_postgres(LOCKS),
            "active flow runs": lambda: self._active("flow_runs"),
            "active task runs": lambda: self._active("task_runs"),
        }
        found = {place: look() for place, look in places.items()}
        return [f"{place}: {', '.join(names[:5])}" for place, names in found.items() if names]

    def _loading(self) -> list[str]:
        try:
            return [name for name in self._reader.bigquery.tables() if name.startswith(staging_tables.PREFIX)]
        except OSError as error:
            return [f"unknown ({error})"]

    def _in_postgres(self, sql: str) -> list[str]:
        psql = Psql(self._platform)
        rows = psql.rows(sql.strip().rstrip(";"))
        psql.close()
        return ["unknown"] if rows is None else [row[0] for row in rows]

    def _active(self, kind: str) -> list[str]:
        found = self._platform.orion.call(f"{kind}/filter", {kind: UNFINISHED})
        return [f"{run['name']} {run['state_name']}" for run in found]
