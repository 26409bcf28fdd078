"""One measurement: a way of doing something, its seconds, and the rows that it left behind."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping

from prefect.logging import disable_run_logger

from orionbox.runs.report import Stopwatch
from orionbox.trips.months import TripFile

WORK = "work"
"""The stage of the stopwatch that is the measurement; what a way prepares or counts is outside of it."""
WAREHOUSE = os.environ.get("WAREHOUSE", "")
"""Postgres' address, as libpq and SQLAlchemy take it."""

Way = Callable[[TripFile, Stopwatch], int]
"""Does it for a month, with the work itself timed; returns the rows that then are there."""


def main(ways: Mapping[str, Way]) -> None:
    """Measures the way that the arguments name: WAY COLOR YEAR MONTH."""
    way, color, year, month = sys.argv[1:]
    watch = Stopwatch()
    with disable_run_logger():  # tasks are called as functions here, in no run
        rows = ways[way](TripFile(color, int(year), int(month)), watch)
    stages = {stage: seconds for stage, seconds in watch.seconds.items() if stage != WORK}
    print(json.dumps({"seconds": watch.seconds[WORK], "rows": rows, "stages": stages}))
