"""Runs one measurement: calls a function, and prints its seconds and the rows that it stored."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping

from prefect.logging import disable_run_logger

from orionbox.runs.report import Stopwatch
from orionbox.trips.months import TripFile

WORK = "work"
"""The stage of the stopwatch that counts; preparing and counting rows are outside of it."""
WAREHOUSE = os.environ.get("WAREHOUSE", "")
"""The address of Postgres, for libpq and SQLAlchemy."""

Program = Callable[[TripFile, Stopwatch], int]
"""Does the work for a month and times it; returns the rows in the store afterwards."""


def main(programs: Mapping[str, Program]) -> None:
    """Measures the program that the arguments name: PROGRAM COLOR YEAR MONTH."""
    name, color, year, month = sys.argv[1:]
    watch = Stopwatch()
    with disable_run_logger():  # tasks are called as functions, outside of runs
        rows = programs[name](TripFile(color, int(year), int(month)), watch)
    stages = {stage: seconds for stage, seconds in watch.seconds.items() if stage != WORK}
    print(json.dumps({"seconds": watch.seconds[WORK], "rows": rows, "stages": stages}))
