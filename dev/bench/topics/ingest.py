"""A month's CSV.gz from the web into Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dev.bench.bench_platform import Platform
from dev.bench.comparisons import MONTH, arguments, check, take_turns
from dev.bench.measurements import Samples
from dev.bench.results import Row, close_to, faster

PEERS = {"dlt": 8, "pgloader": 8, "dlt with ADBC": 1}
"""How many times faster we are to be. With the driver that ours takes, dlt comes closer than that to bare COPY."""
DLT_FILES = {"dlt": "csv", "dlt with ADBC": "parquet"}
TURNS = ("ours", "limit", "course", "ours", "limit", *PEERS, "ours", "limit", "parts")
"""The slow ones once: what they take varies less than what we gain."""


def measure(platform: Platform, samples: Samples) -> Iterator[Row]:
    """Rows against the course, against bare COPY and against other tools."""
    platform.serve([MONTH], platform.rows)
    month = arguments(MONTH)
    served = platform.measure("python", "-m", "dev.bench.inside.served", *month)
    check("the served file", served["rows"], platform.rows)
    ways = {
        way: partial(platform.measure, "python", "-m", "dev.bench.inside.ingest", way, *month) for way in set(TURNS)
    }
    for way, form in DLT_FILES.items():
        dlt = ("/opt/peers/bin/python", "-m", "dev.bench.inside.dlt_ingest", MONTH.url(), form)
        ways[way] = partial(platform.measure, *dlt)
    take_turns("ingest", ways, TURNS, {"all": platform.rows, "course": served["course"]}, samples)
    ours = samples.median("ingest, ours")
    yield faster("ingest vs seed", ours, samples.median("ingest, course"), 30)
    yield close_to("ingest vs limit", ours, samples.median("ingest, limit"), 1.4)
    for peer, times in PEERS.items():
        yield faster(f"ingest vs {peer}", ours, samples.median(f"ingest, {peer}"), times)
