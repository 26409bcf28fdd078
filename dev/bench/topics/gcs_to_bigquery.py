"""Measures loading a month's parquet object from the bucket into BigQuery."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dev.bench.bench_platform import BenchPlatform
from dev.bench.comparisons import MONTH, arguments, check, measure_in_turn
from dev.bench.measurements import Measurements
from dev.bench.results import Row, close_to, faster

BUCKET = "prefect-de-zoomcamp"
ORDER = ("ours", "limit", "course", "load job") * 3


def measure(platform: BenchPlatform, measurements: Measurements) -> Iterator[Row]:
    """Compares with the course's code, and with DuckDB's own CREATE TABLE from the same file."""
    platform.serve([MONTH], platform.rows)
    month = arguments(MONTH)
    staged = platform.measure("python", "-m", "dev.bench.inside.web_to_gcs", "ours", *month)
    check("the staged object", staged["rows"], platform.rows)
    command = ("python", "-m", "dev.bench.inside.gcs_to_bigquery")
    programs = {name: partial(platform.measure, *command, name, *month) for name in ("ours", "course", "load job")}
    limit = ("/opt/peers/bin/python", "-m", "dev.bench.inside.duckdb_limit", f"{BUCKET}/{MONTH.object_name}")
    programs["limit"] = partial(platform.measure, *limit)
    measure_in_turn("GCS to BigQuery", programs, ORDER, {"all": platform.rows}, measurements)
    ours = measurements.median("GCS to BigQuery, ours")
    yield faster("GCS to BigQuery vs seed", ours, measurements.median("GCS to BigQuery, course"), 4)
    yield close_to("GCS to BigQuery vs limit", ours, measurements.median("GCS to BigQuery, limit"), 1.5)
