"""The months that the runs load: each in two sizes, so that the number of rows distinguishes new from old."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dev.chaos.containers import Containers
from orionbox.errors import CommandError
from orionbox.trips.months import TripFile

COLOR, YEAR = "yellow", 2019
MONTHS = tuple(TripFile(COLOR, YEAR, month) for month in (6, 7, 8))
SIZES = (100_000, 130_000)
"""Rows of each month: runs load them in the one size and in the other, in turn."""


class ServedMonths:
    """The months in both sizes; one size at a time is in the platform's data/."""

    def __init__(self, containers: Containers, sizes: tuple[int, int] = SIZES) -> None:
        self.platform, self._sizes = containers.platform, sizes
        self._generator = containers.helper("generator")
        self.rows = 0
        """Rows of each month in data/; 0 until the first switch."""
        for rows in sizes:
            for trips in MONTHS:
                self._generate(trips, rows)

    def switch_size(self) -> int:
        """Puts the months of the other size into data/; returns their rows."""
        self.rows = self._sizes[self.rows == self._sizes[0]]
        self.platform.make("data", f"FROM={self._folder(self.rows)}")
        return self.rows

    def _folder(self, rows: int) -> Path:
        return self.platform.root / "reports" / f"months-of-{rows}"

    def _generate(self, trips: TripFile, rows: int) -> None:
        target = self._folder(rows) / trips.csv_path
        target.parent.mkdir(parents=True, exist_ok=True)
        program = ("python", "-m", "orionbox.trips.generated")
        arguments = (trips.color, str(trips.year), str(trips.month), str(rows))
        with target.open("wb") as file:
            done = subprocess.run(["docker", "exec", self._generator, *program, *arguments], stdout=file)
        if done.returncode:
            raise CommandError(f"{trips.csv_name} could not be generated")
