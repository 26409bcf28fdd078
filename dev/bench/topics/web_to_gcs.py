"""Measures storing a month's CSV.gz from the web in the bucket, as parquet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dev.bench.bench_platform import BenchPlatform
from dev.bench.comparisons import MONTH, arguments, measure_in_turn
from dev.bench.measurements import Measurements
from dev.bench.results import Row, faster

ORDER = ("ours", "course", "ours", "course", "ours")


def measure(platform: BenchPlatform, measurements: Measurements) -> Iterator[Row]:
    """Compares with the course's code."""
    platform.serve([MONTH], platform.rows)
    command = ("python", "-m", "dev.bench.inside.web_to_gcs")
    programs = {name: partial(platform.measure, *command, name, *arguments(MONTH)) for name in set(ORDER)}
    measure_in_turn("web to GCS", programs, ORDER, {"all": platform.rows}, measurements)
    yield faster(
        "web to GCS vs seed", measurements.median("web to GCS, ours"), measurements.median("web to GCS, course"), 8
    )
