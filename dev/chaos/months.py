"""The months that are moved: each in two sizes, so that what is new can be told from what is old."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dev.chaos.engine import Containers
from orionbox.errors import CommandError
from orionbox.trips.months import TripFile

COLOR, YEAR = "yellow", 2019
MONTHS = tuple(TripFile(COLOR, YEAR, month) for month in (6, 7, 8))
SIZES = (100_000, 130_000)
"""Rows of each month: the first runs move months of the one size, the next ones of the other."""


class Shelf:
    """Two sets of months, and which of them is served."""

    def __init__(self, containers: Containers, sizes: tuple[int, int] = SIZES) -> None:
        self.platform, self._sizes = containers.platform, sizes
        self._maker = containers.helper("maker")
        self.served = 0
        """Rows of each month that is served; 0 at first."""
        for rows in sizes:
            for trips in MONTHS:
                self._generate(trips, rows)

    def turn(self) -> int:
        """Serves the other set; how many rows a month of it has."""
        self.served = self._sizes[self.served == self._sizes[0]]
        self.platform.make("data", f"FROM={self._folder(self.served)}")
        return self.served

    def _folder(self, rows: int) -> Path:
        return self.platform.root / "reports" / f"months-of-{rows}"

    def _generate(self, trips: TripFile, rows: int) -> None:
        target = self._folder(rows) / trips.csv_path
        target.parent.mkdir(parents=True, exist_ok=True)
        program = (
            "python",
            "-m",
            "orionbox.trips.generated",
            trips.color,
            str(trips.year),
            str(trips.month),
            str(rows),
        )
        with target.open("wb") as file:
            done = subprocess.run(["docker", "exec", self._maker, *program], stdout=file)
        if done.returncode:
            raise CommandError(f"{trips.csv_name} could not be generated")
