"""Eight months in one run, on threads and on a Dask cluster, against eight times one month."""

from __future__ import annotations

import json
from collections.abc import Iterator

from cli.settings import env_file
from dev.bench.bench_platform import Platform
from dev.bench.comparisons import check
from dev.bench.measurements import Samples
from dev.bench.results import Row, faster, not_measured
from orionbox.trips.months import TripFile

MONTHS = [TripFile("yellow", 2020, month) for month in range(1, 9)]
ENGINES = ("threads", "dask")
WORKERS = 2
ONE_MONTH_RUNS = 2


def measure(platform: Platform, samples: Samples) -> Iterator[Row]:
    """A row for each engine; what it says is how many times the months one by one would take that long."""
    platform.serve(MONTHS, platform.rows)
    for _ in range(ONE_MONTH_RUNS):
        samples.note("scaling, one month", _run_seconds(platform, MONTHS[:1], "threads"))
    one_by_one = samples.median("scaling, one month") * len(MONTHS)
    for engine in ENGINES:
        name = f"scaling, {len(MONTHS)} months, {engine}"
        if engine not in _engines(platform):
            yield not_measured(name, "s", ">= 1x faster", f"this version has no ENGINE={engine}")
            continue
        samples.note(name, _run_seconds(platform, MONTHS, engine))
        yield faster(name, samples.median(name), one_by_one, 1)


def _engines(platform: Platform) -> tuple[str, ...]:
    """The engines that this checkout knows."""
    return ENGINES if "ENGINE" in env_file.parse(platform.root / ".env.example") else ENGINES[:1]


def _run_seconds(platform: Platform, months: list[TripFile], engine: str) -> float:
    """How long the flow itself runs, without the start of its container: the months' own work."""
    numbers = ",".join(str(trips.month) for trips in months)
    chosen = (f"COLOR={months[0].color}", f"YEAR={months[0].year}", f"MONTHS={numbers}")
    platform.make("run-etl", *chosen, f"ENGINE={engine}", f"WORKERS={WORKERS}")
    report = json.loads((platform.root / "reports" / "last-run.json").read_text())
    for month in report["months"]:
        for store, rows in month["rows"].items():
            check(f"scaling, {engine}, {store}", rows, platform.rows)
    check(f"scaling, {engine}, months", len(report["months"]), len(months))
    return float(platform.orion.run(report["flow_run_id"])["total_run_time"])
