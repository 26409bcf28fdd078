"""Starts a run, waits for one of its stages, follows it to its end, and checks everything afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from dev.chaos.bucket import Bucket
from dev.chaos.containers import Containers
from dev.chaos.leftovers import Leftovers, LeftoversError
from dev.chaos.months import COLOR, MONTHS, YEAR, ServedMonths
from dev.chaos.store_watch import Psql, StoreWatch
from dev.throwaway_platform import ThrowawayPlatform
from orionbox.errors import CommandError
from orionbox.orion.states import ENDED
from orionbox.runs.report import ARTIFACT_KEY, STORES, unflatten
from orionbox.stores import staging_tables
from orionbox.trips.months import TripFile

END_WITHIN = 240
"""Seconds in which a run must end, after every service is healthy again."""
STAGE_WITHIN = 90
"""Seconds in which a run must reach a stage."""
HEALTHY_WITHIN = 120
"""Seconds in which every service must be healthy again."""
POLL = 0.05
DEPLOYMENT = "etl/docker"

Json = dict[str, Any]
T = TypeVar("T")


class CheckFailedError(RuntimeError):
    """A check of the platform failed after a fault; the text names the difference."""


class TooLateError(RuntimeError):
    """The run ended before the fault could be injected."""


def wait_for(probe: Callable[[], T | None], what: str, seconds: float, pause: float = 0.5) -> T:
    """Returns the probe's first answer that is not None or empty.

    Raises:
        CheckFailedError: no answer came in that time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := probe():
            return answer
        time.sleep(pause)
    raise CheckFailedError(f"{what}: not within {seconds:.0f} s")


class Experiment:
    """A platform, the watch on its stores, and the months that its runs load."""

    def __init__(self, platform: ThrowawayPlatform, containers: Containers, months: ServedMonths) -> None:
        self.platform, self.containers, self.months = platform, containers, months
        self.watch, self.bucket = StoreWatch(platform), Bucket(platform)
        self.leftovers = Leftovers(platform, containers, self.watch)
        self._locks = Psql(platform)

    def close(self) -> None:
        """Stops watching."""
        self.watch.close()
        self._locks.close()

    def serve_new_months(self) -> None:
        """Serves other months than those in the stores; from now on the stores may hold either."""
        stores = [counts for counts in (self.in_postgres(), self.watch.in_bigquery()) if counts is not None]
        if len(stores) < 2:
            raise CommandError("Postgres or BigQuery does not answer before the fault")
        new = self.months.switch_size()
        names = [trips.csv_name for trips in MONTHS]
        self._etags = self.bucket.etags(MONTHS)
        self.watch.allow({name: {new, *(counts.get(name, 0) for counts in stores)} for name in names})

    def check_without_fault(self) -> str:
        """Loads the months and checks everything, before any fault is injected; returns the outcome.

        Raises:
            CommandError: a check failed.
        """
        self.serve_new_months()
        try:
            run_id = self.start_run()
            wait_for(lambda: len(self.watch.answers) == 2, "both stores' answers", 60)
            return self.finish(run_id)
        except (CheckFailedError, LeftoversError) as error:
            raise CommandError(f"before any fault: {error}") from error

    def restart_platform(self) -> None:
        """Restarts the platform and waits for the sweeper, so that the next fault finds it healthy."""
        self.platform.make("down")
        self.platform.make("up")
        with suppress(LeftoversError):
            self.leftovers.check()

    def container_of(self, run_id: str) -> str:
        """Returns the id of the run's container."""
        return str(self.platform.orion.run(run_id)["infrastructure_pid"]).rpartition(":")[2]

    def start_run(self, months: Sequence[TripFile] = MONTHS, deployment: str = DEPLOYMENT) -> str:
        """Starts a run of the main job; returns its id."""
        parameters = {"color": COLOR, "year": YEAR, "months": [trips.month for trips in months]}
        return self.platform.orion.start_run(deployment, parameters)

    def wait_for_stage(self, run_id: str, stage: str) -> None:
        """Returns when the run is in a stage: `fetch`, `write`, `load` or `copy`.

        Raises:
            TooLateError: the run ended before that stage.
        """
        is_in_stage = {
            "fetch": self._is_fetching,
            "write": self._is_writing,
            "load": self._is_loading_postgres,
            "copy": self._is_loading_bigquery,
        }[stage]
        deadline, last_poll = time.monotonic() + STAGE_WITHIN, 0.0
        while time.monotonic() < deadline:
            if is_in_stage(run_id):
                return
            if time.monotonic() > last_poll + 1:  # Orion is busy with the run: poll it rarely
                last_poll = time.monotonic()
                if self.platform.orion.run(run_id)["state_type"] in ENDED:
                    raise TooLateError(f"the run had ended before stage {stage} was seen")
            time.sleep(POLL)
        raise TooLateError(f"stage {stage} was not seen within {STAGE_WITHIN} s")

    def _is_fetching(self, run_id: str) -> bool:
        """Returns whether a month is being downloaded: its task is Running in Orion."""
        chosen = {"state": {"type": {"any_": ["RUNNING"]}}, "name": {"like_": "web-to-gcs"}}
        body = {"flow_runs": {"id": {"any_": [run_id]}}, "task_runs": chosen}
        return bool(self.platform.orion.call("task_runs/filter", body))

    def _is_writing(self, run_id: str) -> bool:
        """Returns whether the first month is in the bucket, while others are being written."""
        return self.bucket.etags(MONTHS) != self._etags

    def _is_loading_postgres(self, run_id: str) -> bool:
        """Returns whether a month is being loaded into Postgres, which holds its lock."""
        locks = self._locks.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted")
        return bool(locks)

    def _is_loading_bigquery(self, run_id: str) -> bool:
        """Returns whether a month is being loaded into BigQuery, which has its staging table."""
        return any(name.startswith(staging_tables.PREFIX) for name in self.watch.bigquery.tables())

    def wait_for_end(self, run_id: str) -> Json:
        """Returns the run when it has ended."""

        def probe() -> Json | None:
            try:
                run = self.platform.orion.run(run_id)
            except CommandError:  # the fault may have hit Orion
                return None
            return run if run["state_type"] in ENDED else None

        return wait_for(probe, "the run's end", END_WITHIN)

    def finish(self, *run_ids: str, months: Sequence[TripFile] = MONTHS) -> str:
        """Follows the runs to their end, starts another run if one did not complete, and checks everything.

        Returns:
            The outcome of the runs, in words.

        Raises:
            CheckFailedError: a check failed.
            LeftoversError: something was left behind.
        """
        self.wait_until_healthy()
        ends = [self.wait_for_end(run_id) for run_id in run_ids]
        words = " and ".join(dict.fromkeys(map(self._describe, ends)))
        if any(run["state_type"] != "COMPLETED" for run in ends):
            again = self.wait_for_end(self.start_run(months))
            if again["state_type"] != "COMPLETED":
                raise CheckFailedError(f"{words}; the next run too: {self._describe(again)}")
            ends, words = [again], f"{words}; the next run completed"
        self._check_counts(ends, months)
        self.leftovers.check()
        return words

    def wait_until_healthy(self) -> None:
        """Waits until every service is healthy again; the platform must restart them itself.

        Raises:
            CheckFailedError: a service is not healthy in time.
        """
        deadline = time.monotonic() + HEALTHY_WITHIN
        while unhealthy := self.containers.unhealthy():
            if time.monotonic() > deadline:
                raise CheckFailedError(f"not healthy after {HEALTHY_WITHIN} s: {', '.join(unhealthy)}")
            time.sleep(0.5)

    def _describe(self, run: Json) -> str:
        if run["state_type"] == "COMPLETED":
            return "the run completed by itself"
        message = " ".join((run["state"].get("message") or "").split())
        if not message:
            raise CheckFailedError(f"the run is {run['state_name']}, and has no message")
        return f"{run['state_name']}: {message[:160]}"

    def _check_counts(self, runs: Sequence[Json], months: Sequence[TripFile]) -> None:
        """Compares every store with the files that were served."""
        expected = {trips.csv_name: self.months.rows for trips in months}
        for store, counts in (("Postgres", self.in_postgres()), ("BigQuery", self.watch.in_bigquery())):
            if {name: rows for name, rows in (counts or {}).items() if name in expected} != expected:
                raise CheckFailedError(f"{store} has {counts}, expected {expected}")
        if damaged := self.bucket.damaged(months):
            raise CheckFailedError(f"objects that do not match their checksum: {', '.join(damaged)}")
        for run in runs:
            self._check_report(run, expected)
        self._check_watch()

    def in_postgres(self) -> dict[str, int] | None:
        """Returns the rows by source file, counted once; None if Postgres does not answer."""
        return self._locks.rows_by_file()

    def counts_agree(self, run: Json) -> bool:
        """Returns whether the run counted the same rows of each month in every store."""
        return all(len(set(rows.values())) == 1 for rows in self._counted(run).values())

    def _counted(self, run: Json) -> dict[str, dict[str, int]]:
        rows = [unflatten(row) for row in self.platform.orion.table_artifact(run["id"], ARTIFACT_KEY)]
        return {TripFile(COLOR, YEAR, row["month"]).csv_name: row["rows"] for row in rows}

    def _check_report(self, run: Json, expected: dict[str, int]) -> None:
        counted = self._counted(run)
        if counted != {name: dict.fromkeys(STORES, rows) for name, rows in expected.items()}:
            raise CheckFailedError(f"the run counted {counted}, expected {expected} in every store")

    def _check_watch(self) -> None:
        if wrong := self.watch.wrong:
            raise CheckFailedError(f"a reader saw {wrong[0]}, and {len(wrong) - 1} more wrong counts")
        if silent := [store for store in ("Postgres", "BigQuery") if not self.watch.answers.get(store)]:
            raise CheckFailedError(
                f"no reader got an answer from {', '.join(silent)}, so wrong counts could not be seen"
            )
