"""A month's parquet object from the bucket into BigQuery."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dev.bench.bench_platform import Platform
from dev.bench.comparisons import MONTH, arguments, check, take_turns
from dev.bench.measurements import Samples
from dev.bench.results import Row, close_to, faster

BUCKET = "prefect-de-zoomcamp"
TURNS = ("ours", "limit", "course", "load job") * 3


def measure(platform: Platform, samples: Samples) -> Iterator[Row]:
    """Rows against the course, and against DuckDB's own CREATE TABLE from the same file."""
    platform.serve([MONTH], platform.rows)
    month = arguments(MONTH)
    staged = platform.measure("python", "-m", "dev.bench.inside.web_to_gcs", "ours", *month)
    check("the staged object", staged["rows"], platform.rows)
    ways = {
        way: partial(platform.measure, "python", "-m", "dev.bench.inside.gcs_to_bigquery", way, *month)
        for way in ("ours", "course", "load job")
    }
    limit = ("/opt/peers/bin/python", "-m", "dev.bench.inside.duckdb_limit", f"{BUCKET}/{MONTH.object_name}")
    ways["limit"] = partial(platform.measure, *limit)
    take_turns("GCS to BigQuery", ways, TURNS, {"all": platform.rows}, samples)
    ours = samples.median("GCS to BigQuery, ours")
    yield faster("GCS to BigQuery vs seed", ours, samples.median("GCS to BigQuery, course"), 4)
    yield close_to("GCS to BigQuery vs limit", ours, samples.median("GCS to BigQuery, limit"), 1.5)
