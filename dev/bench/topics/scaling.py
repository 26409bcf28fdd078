"""Measures eight months in one run, on threads and on Dask, compared with eight times one month."""

from __future__ import annotations

import json
from collections.abc import Iterator

from dev.bench.bench_platform import BenchPlatform
from dev.bench.comparisons import check
from dev.bench.measurements import Measurements
from dev.bench.results import Row, faster
from orionbox.trips.months import TripFile

MONTHS = [TripFile("yellow", 2020, month) for month in range(1, 9)]
TASK_RUNNERS = ("threads", "dask")
WORKERS = 2
ONE_MONTH_RUNS = 2


def measure(platform: BenchPlatform, measurements: Measurements) -> Iterator[Row]:
    """Measures each task runner; the ratio says how many times longer the months take one after another."""
    platform.serve(MONTHS, platform.rows)
    for _ in range(ONE_MONTH_RUNS):
        measurements.add("scaling, one month", _run_seconds(platform, MONTHS[:1], "threads"))
    one_by_one = measurements.median("scaling, one month") * len(MONTHS)
    for task_runner in TASK_RUNNERS:
        name = f"scaling, {len(MONTHS)} months, {task_runner}"
        measurements.add(name, _run_seconds(platform, MONTHS, task_runner))
        yield faster(name, measurements.median(name), one_by_one, 1)


def _run_seconds(platform: BenchPlatform, months: list[TripFile], task_runner: str) -> float:
    """Returns how long the flow itself takes, without the start of its container."""
    numbers = ",".join(str(trips.month) for trips in months)
    chosen = (f"COLOR={months[0].color}", f"YEAR={months[0].year}", f"MONTHS={numbers}")
    platform.make("run-etl", *chosen, f"TASK_RUNNER={task_runner}", f"WORKERS={WORKERS}")
    report = json.loads((platform.root / "reports" / "last-run.json").read_text())
    for month in report["months"]:
        for store, rows in month["rows"].items():
            check(f"scaling, {task_runner}, {store}", rows, platform.rows)
    check(f"scaling, {task_runner}, months", len(report["months"]), len(months))
    return float(platform.orion.run(report["flow_run_id"])["total_run_time"])
