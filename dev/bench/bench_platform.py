"""The throwaway platform that is measured, and the programs of `inside` that run beside it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.programs import say
from dev import throwaway_platform
from dev.throwaway_platform import ThrowawayPlatform
from orionbox.trips.months import TripFile

COMPOSE_FILES = (
    "--env-file=.env",
    "--env-file=compose/versions.env",
    "--file=compose.yaml",
    "--file=dev/bench/compose.yaml",
)
GENERATORS = 2
"""Files that are generated in parallel."""


@dataclass(frozen=True)
class BenchPlatform(ThrowawayPlatform):
    """A running platform whose full month has `rows` rows."""

    rows: int
    rows_served: dict[TripFile, int] = field(default_factory=dict)
    """The rows of each month in its data/."""

    def compose(self, *arguments: str) -> list[str]:
        """Returns the command of Compose that also knows service `bench`."""
        return ["docker", "compose", *COMPOSE_FILES, *arguments]

    def in_bench_image(self, *command: str) -> list[str]:
        """Returns the command that runs a command in the bench image, on the platform's network."""
        return self.compose("run", "--rm", "--no-deps", "--no-TTY", "bench", *command)

    def measure(self, *command: str) -> dict[str, Any]:
        """Runs a program of `inside`; returns the JSON in its last line."""
        answer: dict[str, Any] = json.loads(self.run(*self.in_bench_image(*command)).splitlines()[-1])
        return answer

    def serve(self, files: Sequence[TripFile], rows: int) -> None:
        """Generates months of so many rows and puts them into data/, from where service `internet` serves them."""
        missing = [trips for trips in files if self.rows_served.get(trips) != rows]
        if not missing:
            return
        with tempfile.TemporaryDirectory(dir=self.root) as folder:
            with ThreadPoolExecutor(GENERATORS) as generators:
                list(generators.map(lambda trips: self._generate(trips, rows, Path(folder)), missing))
            self.make("data", f"FROM={folder}")
        self.rows_served.update(dict.fromkeys(missing, rows))

    def _generate(self, trips: TripFile, rows: int, folder: Path) -> None:
        say(f"  generating {trips.csv_name}, {rows:,} rows")
        target = folder / trips.csv_path
        target.parent.mkdir(exist_ok=True)
        program = ("python", "-m", "orionbox.trips.generated")
        command = self.in_bench_image(*program, trips.color, str(trips.year), str(trips.month), str(rows))
        with target.open("wb") as file:
            subprocess.run(command, cwd=self.root, env=self.env, stdout=file, check=True)

    def rows_in_postgres(self, trips: TripFile) -> int:
        """Returns the rows of a month that Postgres counts."""
        count = f"SELECT count(*) FROM {trips.table} WHERE source_file = '{trips.csv_name}'"
        psql = ("exec", "--no-TTY", "postgres", "psql", "--username=ny_taxi", "--tuples-only", "--command", count)
        return int(self.run(*self.compose(*psql, "ny_taxi")))


@contextmanager
def running_platform(rows: int) -> Iterator[BenchPlatform]:
    """Starts a platform, and removes it with everything in it at the end.

    Raises:
        CommandError: Docker does not answer, or the platform does not start.
    """
    with throwaway_platform.running("bench") as started:
        platform = BenchPlatform(started.root, started.env, rows)
        platform.run(*platform.compose("build", "--quiet", "bench"))
        yield platform
