"""Checks that a fault leaves nothing behind: containers, locks, staging tables, runs that are stuck in Running."""

from __future__ import annotations

import time
from collections.abc import Callable

from dev.chaos.containers import Containers
from dev.chaos.store_watch import Psql, StoreWatch
from dev.throwaway_platform import ThrowawayPlatform
from orionbox.orion.states import ACTIVE
from orionbox.stores import staging_tables

REMOVED_WITHIN = 75
"""Seconds in which everything must be gone: the sweeper removes orphans after 20 s (`GRACE`), and checks every 5 s"""
STAGING_TABLES = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND NOT relispartition AND relname LIKE '%tripdata%'
"""
LOCKS = "SELECT 'of process ' || pid FROM pg_locks WHERE locktype = 'advisory'"
UNFINISHED = {"state": {"type": {"any_": ACTIVE}}}


class LeftoversError(RuntimeError):
    """Something was left behind; the text names it."""


class Leftovers:
    """Looks for leftovers in every place."""

    def __init__(self, platform: ThrowawayPlatform, containers: Containers, watch: StoreWatch) -> None:
        self._platform, self._containers, self._watch = platform, containers, watch

    def check(self) -> None:
        """Waits until nothing is left behind.

        Raises:
            LeftoversError: leftovers exist for longer than the platform may take to remove them.
        """
        deadline = time.monotonic() + REMOVED_WITHIN
        while lines := self.lines():
            if time.monotonic() > deadline:
                raise LeftoversError(f"left behind after {REMOVED_WITHIN} s: {'; '.join(lines)}")
            time.sleep(1)

    def lines(self) -> list[str]:
        """Returns a line for each place that has leftovers, or that does not answer."""
        places: dict[str, Callable[[], list[str]]] = {
            "run containers": lambda: [name[:12] for name in self._containers.run_ids()],
            "staging tables in BigQuery": self._in_bigquery,
            "staging tables in Postgres": lambda: self._in_postgres(STAGING_TABLES),
            "locks in Postgres": lambda: self._in_postgres(LOCKS),
            "active flow runs": lambda: self._active("flow_runs"),
            "active task runs": lambda: self._active("task_runs"),
        }
        names_by_place = {place: look() for place, look in places.items()}
        return [f"{place}: {', '.join(names[:5])}" for place, names in names_by_place.items() if names]

    def _in_bigquery(self) -> list[str]:
        try:
            return [name for name in self._watch.bigquery.tables() if name.startswith(staging_tables.PREFIX)]
        except OSError as error:
            return [f"unknown ({error})"]

    def _in_postgres(self, sql: str) -> list[str]:
        psql = Psql(self._platform)
        rows = psql.rows(sql.strip().rstrip(";"))
        psql.close()
        return ["unknown"] if rows is None else [row[0] for row in rows]

    def _active(self, runs: str) -> list[str]:
        active = self._platform.orion.call(f"{runs}/filter", {runs: UNFINISHED})
        return [f"{run['name']} {run['state_name']}" for run in active]
