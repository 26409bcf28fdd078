"""Measures the BigQuery server: small statements before and after much use, memory, and queries beside DuckDB's own."""

from __future__ import annotations

from collections.abc import Iterator

from dev.bench.bench_platform import BenchPlatform
from dev.bench.measurements import Measurements
from dev.bench.results import Row, at_most, close_to
from dev.bench.topics.startup import idle_memory

SELECT_SECONDS, CREATE_SECONDS = 0.015, 0.030
IDLE_MB, USED_MB = 260, 400
OVERHEAD = 0.015
"""Seconds that a query may take more than DuckDB's, besides the ratio."""
RATIOS = {"count": 1.3, "group": 1.3, "daily": 1.3, "window": 1.3, "join": 2.0}


def measure(platform: BenchPlatform, measurements: Measurements) -> Iterator[Row]:
    """Measures the server on the platform's network, with Google's client."""
    idle = idle_memory(platform)["bigquery"]
    found = platform.measure("python", "-m", "dev.bench.inside.bigquery.server")
    alone = platform.measure("/opt/peers/bin/python", "-m", "dev.bench.inside.bigquery.duckdb_queries")
    for name, seconds in {**found, **{f"{name}, DuckDB": each for name, each in alone.items()}}.items():
        for each in seconds:
            measurements.add(f"BigQuery, {name}", each)
    used = idle_memory(platform)["bigquery"]

    def median(name: str) -> float:
        return measurements.median(f"BigQuery, {name}")

    yield at_most("BigQuery, SELECT 1", median("SELECT 1"), SELECT_SECONDS, "s")
    yield close_to("BigQuery, SELECT 1 after 10,000 queries", median("SELECT 1, later"), median("SELECT 1"), 1.2)
    yield at_most("BigQuery, CREATE TABLE AS", median("CREATE TABLE AS"), CREATE_SECONDS, "s")
    for name, ratio in RATIOS.items():
        yield close_to(f"BigQuery, {name}", max(median(name) - OVERHEAD, 0), median(f"{name}, DuckDB"), ratio)
    yield at_most("BigQuery, memory at rest", idle, IDLE_MB, "MB")
    yield at_most("BigQuery, memory after 10,000 queries", used, USED_MB, "MB")
