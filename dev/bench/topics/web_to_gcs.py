"""A month's CSV.gz from the web into the bucket, as parquet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dev.bench.bench_platform import Platform
from dev.bench.comparisons import MONTH, arguments, take_turns
from dev.bench.measurements import Samples
from dev.bench.results import Row, faster

TURNS = ("ours", "course", "ours", "course", "ours")


def measure(platform: Platform, samples: Samples) -> Iterator[Row]:
    """A row against the course; the stages of ours are noted too."""
    platform.serve([MONTH], platform.rows)
    command = ("python", "-m", "dev.bench.inside.web_to_gcs")
    ways = {way: partial(platform.measure, *command, way, *arguments(MONTH)) for way in set(TURNS)}
    take_turns("web to GCS", ways, TURNS, {"all": platform.rows}, samples)
    yield faster("web to GCS vs seed", samples.median("web to GCS, ours"), samples.median("web to GCS, course"), 8)
