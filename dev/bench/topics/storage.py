"""Measures Cloud Storage: large and small objects, and lists."""

from __future__ import annotations

from collections.abc import Iterator

from dev.bench.bench_platform import BenchPlatform
from dev.bench.measurements import Measurements
from dev.bench.results import Row, at_most

MANY, LIMIT_SECONDS = "list of 10000", 0.5


def measure(platform: BenchPlatform, measurements: Measurements) -> Iterator[Row]:
    """Measures each operation; of the lists, the long one has a goal."""
    found = platform.measure("python", "-m", "dev.bench.inside.storage")["ours"]
    for operation, seconds in found.items():
        for each in seconds:
            measurements.add(f"Cloud Storage, {operation}", each)
    yield at_most(f"Cloud Storage, {MANY}", measurements.median(f"Cloud Storage, {MANY}"), LIMIT_SECONDS, "s")
