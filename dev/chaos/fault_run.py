"""One run under a fault: started, hit at a stage, followed to its end, and everything looked at afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from dev.chaos.engine import Containers
from dev.chaos.leftovers import Leftovers, LeftoversError
from dev.chaos.months import COLOR, MONTHS, YEAR, Shelf
from dev.chaos.store_watch import Psql, Reader
from dev.chaos.stores import Bucket
from dev.throwaway_platform import OwnPlatform
from orionbox.errors import CommandError
from orionbox.orion.states import ENDED
from orionbox.runs.report import ARTIFACT_KEY, STORES, unflatten
from orionbox.stores import staging_tables
from orionbox.trips.months import TripFile

END_WITHIN = 240
"""Seconds in which a run must have ended, counted from when all is well again."""
STAGE_WITHIN = 90
"""Seconds in which a run must have come to a stage."""
WELL_WITHIN = 120
"""Seconds in which every service must be healthy again."""
POLL = 0.05
DEPLOYMENT = "etl/docker"

Json = dict[str, Any]
T = TypeVar("T")


class NotHeldError(RuntimeError):
    """A promise that was broken; the text says which."""


class MissedError(RuntimeError):
    """A run that was over before the fault could be injected."""


def wait(probe: Callable[[], T | None], what: str, seconds: float, pause: float = 0.5) -> T:
    """The probe's first answer that is not None or empty.

    Raises:
        NotHeldError: there was none in that time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := probe():
            return answer
        time.sleep(pause)
    raise NotHeldError(f"{what}: not within {seconds:.0f} s")


class Trial:
    """A platform, its reader, and the run of the moment."""

    def __init__(self, platform: OwnPlatform, containers: Containers, shelf: Shelf) -> None:
        self.platform, self.containers, self.shelf = platform, containers, shelf
        self.reader, self.bucket = Reader(platform), Bucket(platform)
        self.leftovers = Leftovers(platform, containers, self.reader)
        self._locks = Psql(platform)

    def close(self) -> None:
        """Ends the reader and its sessions."""
        self.reader.close()
        self._locks.close()

    def begin(self) -> None:
        """Serves other months than those in the stores; from now on a reader may see the ones or the others."""
        stores = [counts for counts in (self.in_postgres(), self.reader.in_bigquery()) if counts is not None]
        if len(stores) < 2:
            raise CommandError("Postgres or BigQuery does not answer before the fault")
        new = self.shelf.turn()
        names = [trips.csv_name for trips in MONTHS]
        self._etags = self.bucket.etags(MONTHS)
        self.reader.allow({name: {new, *(counts.get(name, 0) for counts in stores)} for name in names})

    def first(self) -> str:
        """Loads the months for the first time, and looks at everything: what does not hold now is no fault's doing.

        Raises:
            CommandError: something is wrong already.
        """
        self.begin()
        try:
            run_id = self.start()
            wait(lambda: self.reader.looks.get("BigQuery") and self.reader.looks.get("Postgres"), "a look", 60)
            return self.settle(run_id)
        except (NotHeldError, LeftoversError) as error:
            raise CommandError(f"before any fault: {error}") from error

    def repair(self) -> None:
        """`make down`, `make up`, and time for the sweeper, so that the next fault strikes a sound platform."""
        self.platform.make("down")
        self.platform.make("up")
        with suppress(LeftoversError):
            self.leftovers.check()

    def container_of(self, run_id: str) -> str:
        """The container in which the run works."""
        return str(self.platform.orion.run(run_id)["infrastructure_pid"]).rpartition(":")[2]

    def start(self, months: Sequence[TripFile] = MONTHS, deployment: str = DEPLOYMENT) -> str:
        """Starts a run of the main job; its id."""
        asked = {"color": COLOR, "year": YEAR, "months": [trips.month for trips in months]}
        return self.platform.orion.start_run(deployment, asked)

    def reach(self, run_id: str, stage: str) -> None:
        """Returns when the run is in that stage.

        Raises:
            MissedError: it was over before.
        """
        reached = {"fetch": self._fetches, "write": self._writes, "load": self._loads, "copy": self._copies}[stage]
        deadline, ended = time.monotonic() + STAGE_WITHIN, 0.0
        while time.monotonic() < deadline:
            if reached(run_id):
                return
            if time.monotonic() > ended + 1:  # Orion is asked rarely: it has other work
                ended = time.monotonic()
                if self.platform.orion.run(run_id)["state_type"] in ENDED:
                    raise MissedError(f"the run had ended before stage {stage} was seen")
            time.sleep(POLL)
        raise MissedError(f"stage {stage} was not seen within {STAGE_WITHIN} s")

    def _fetches(self, run_id: str) -> bool:
        """A month is on its way from the web, says Orion."""
        chosen = {"state": {"type": {"any_": ["RUNNING"]}}, "name": {"like_": "web-to-gcs"}}
        body = {"flow_runs": {"id": {"any_": [run_id]}}, "task_runs": chosen}
        return bool(self.platform.orion.call("task_runs/filter", body))

    def _writes(self, run_id: str) -> bool:
        """The first month has come into the bucket, while others are on their way there."""
        return self.bucket.etags(MONTHS) != self._etags

    def _loads(self, run_id: str) -> bool:
        """A month is being loaded into Postgres: its lock is held."""
        locks = self._locks.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted")
        return bool(locks)

    def _copies(self, run_id: str) -> bool:
        """A month is being loaded into BigQuery: its table for that is there."""
        return any(name.startswith(staging_tables.PREFIX) for name in self.reader.bigquery.tables())

    def ended(self, run_id: str) -> Json:
        """The run at its end."""

        def probe() -> Json | None:
            try:
                run = self.platform.orion.run(run_id)
            except CommandError:  # Orion may be what has just been harmed
                return None
            return run if run["state_type"] in ENDED else None

        return wait(probe, "the run's end", END_WITHIN)

    def settle(self, *run_ids: str, months: Sequence[TripFile] = MONTHS) -> str:
        """Follows the runs to their end, starts one again where one did not complete, and looks at everything.

        Returns:
            What became of the runs, in words.

        Raises:
            NotHeldError: a promise was broken.
        """
        self.well()
        ends = [self.ended(run_id) for run_id in run_ids]
        words = " and ".join(dict.fromkeys(map(self._told, ends)))
        if any(run["state_type"] != "COMPLETED" for run in ends):
            again = self.ended(self.start(months))
            if again["state_type"] != "COMPLETED":
                raise NotHeldError(f"{words}; the next run too: {self._told(again)}")
            ends, words = [again], f"{words}; the next run completed"
        self._count(ends, months)
        self.leftovers.check()
        return words

    def well(self) -> None:
        """Returns when every service is healthy again, without our doing.

        Raises:
            NotHeldError: one is not.
        """
        deadline = time.monotonic() + WELL_WITHIN
        while ill := self.containers.unhealthy():
            if time.monotonic() > deadline:
                raise NotHeldError(f"not healthy after {WELL_WITHIN} s: {', '.join(ill)}")
            time.sleep(0.5)

    def _told(self, run: Json) -> str:
        if run["state_type"] == "COMPLETED":
            return "the run completed by itself"
        message = " ".join((run["state"].get("message") or "").split())
        if not message:
            raise NotHeldError(f"the run is {run['state_name']}, and nothing says why")
        return f"{run['state_name']}: {message[:160]}"

    def _count(self, runs: Sequence[Json], months: Sequence[TripFile]) -> None:
        """Holds every store against the file that was served."""
        expected = {trips.csv_name: self.shelf.served for trips in months}
        for store, counts in (("Postgres", self.in_postgres()), ("BigQuery", self.reader.in_bigquery())):
            if {name: rows for name, rows in (counts or {}).items() if name in expected} != expected:
                raise NotHeldError(f"{store} has {counts}, and must have {expected}")
        if damaged := self.bucket.damaged(months):
            raise NotHeldError(f"objects that are not what their checksum says: {', '.join(damaged)}")
        for run in runs:
            self._count_report(run, expected)
        self._count_reader()

    def in_postgres(self) -> dict[str, int] | None:
        """Rows by source file, asked once; None where Postgres does not answer."""
        return self._locks.rows_by_file()

    def adds_up(self, run: Json) -> bool:
        """Whether the run has counted the same number of rows of a month in every store."""
        return all(len(set(found.values())) == 1 for found in self._counted(run).values())

    def _counted(self, run: Json) -> dict[str, dict[str, int]]:
        rows = [unflatten(row) for row in self.platform.orion.table_artifact(run["id"], ARTIFACT_KEY)]
        return {TripFile(COLOR, YEAR, row["month"]).csv_name: row["rows"] for row in rows}

    def _count_report(self, run: Json, expected: dict[str, int]) -> None:
        counted = self._counted(run)
        if counted != {name: dict.fromkeys(STORES, rows) for name, rows in expected.items()}:
            raise NotHeldError(f"the run's own count is {counted}, and must be {expected} everywhere")

    def _count_reader(self) -> None:
        if self.reader.torn:
            raise NotHeldError(f"a reader saw {self.reader.torn[0]}, and {len(self.reader.torn) - 1} more such months")
        if blind := [store for store in ("Postgres", "BigQuery") if not self.reader.looks.get(store)]:
            raise NotHeldError(f"the reader never got an answer from {', '.join(blind)}, so it proves nothing")
