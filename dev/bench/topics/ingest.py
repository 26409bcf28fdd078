"""Measures loading a month's CSV.gz from the web into Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dev.bench.bench_platform import BenchPlatform
from dev.bench.comparisons import MONTH, arguments, check, measure_in_turn
from dev.bench.measurements import Measurements
from dev.bench.results import Row, close_to, faster

OTHER_TOOLS = {"dlt": 8, "pgloader": 8, "dlt with ADBC": 1}
"""The goal for each: how many times faster Orionbox must be. With ADBC, which Orionbox uses too, dlt is nearly as fast
as COPY."""
DLT_FORMATS = {"dlt": "csv", "dlt with ADBC": "parquet"}
ORDER = ("ours", "limit", "course", "ours", "limit", *OTHER_TOOLS, "ours", "limit", "stages")
"""The slow programs run only once: they vary by less than their difference to `ours`."""


def measure(platform: BenchPlatform, measurements: Measurements) -> Iterator[Row]:
    """Compares with the course's code, with COPY alone and with other tools."""
    platform.serve([MONTH], platform.rows)
    month = arguments(MONTH)
    served = platform.measure("python", "-m", "dev.bench.inside.served", *month)
    check("the served file", served["rows"], platform.rows)
    command = ("python", "-m", "dev.bench.inside.ingest")
    programs = {name: partial(platform.measure, *command, name, *month) for name in set(ORDER)}
    for name, file_format in DLT_FORMATS.items():
        dlt = ("/opt/peers/bin/python", "-m", "dev.bench.inside.dlt_ingest", MONTH.url(), file_format)
        programs[name] = partial(platform.measure, *dlt)
    measure_in_turn("ingest", programs, ORDER, {"all": platform.rows, "course": served["course"]}, measurements)
    ours = measurements.median("ingest, ours")
    yield faster("ingest vs seed", ours, measurements.median("ingest, course"), 30)
    yield close_to("ingest vs limit", ours, measurements.median("ingest, limit"), 1.4)
    for tool, times in OTHER_TOOLS.items():
        yield faster(f"ingest vs {tool}", ours, measurements.median(f"ingest, {tool}"), times)
