"""`python -m dev.bench`: measures all topics, or those that `--only` names, with `--rows` rows in a month.

Writes reports/bench.json, a row for each goal, and reports/bench-run.json, every measurement with the machine and the
versions; with `--only`, to separate files. Exits with 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

from cli.error_reports import exit_with
from cli.programs import ROOT, say
from dev.bench import machine
from dev.bench.bench_platform import BenchPlatform, running_platform
from dev.bench.measurements import Measurements
from dev.bench.results import Row, missed, table, to_json, without_verdict, write
from dev.bench.topics import bigquery, gcs_to_bigquery, ingest, memory, scaling, startup, storage, web_to_gcs
from orionbox.errors import BadInputError

TOPICS = {
    "ingest": ingest,
    "web_to_gcs": web_to_gcs,
    "gcs_to_bigquery": gcs_to_bigquery,
    "bigquery": bigquery,
    "storage": storage,
    "memory": memory,
    "startup": startup,
    "scaling": scaling,
}
MONTH_ROWS = 1_369_765
"""Rows of a full month, those of yellow 2021-01. The goals are for that size."""
REPORTS = ROOT / "reports"


def main(arguments: Sequence[str]) -> int:
    """Measures, prints and writes; returns 1 if a goal is missed.

    Raises:
        BadInputError: a topic does not exist, or the number of rows is invalid.
        CommandError: the platform does not start, or a measurement failed.
    """
    topics, rows = parse(arguments)
    with running_platform(rows) as platform:
        results, run = measure(platform, topics)
    finish(topics, results, run)
    return 1 if missed(results) else 0


def parse(arguments: Sequence[str]) -> tuple[list[str], int]:
    """Returns the topics and the rows of a month."""
    parser = argparse.ArgumentParser(prog="python -m dev.bench")
    parser.add_argument("--only", default="", metavar="TOPICS", help=f"some of {','.join(TOPICS)}")
    parser.add_argument("--rows", default=str(MONTH_ROWS), metavar="NUMBER", help="rows in a month")
    options = parser.parse_args(list(arguments))
    topics = [name for name in options.only.split(",") if name] or list(TOPICS)
    if unknown := sorted(set(topics) - set(TOPICS)):
        raise BadInputError(f"unknown topic {','.join(unknown)}", f"use some of {','.join(TOPICS)}")
    if not options.rows.isdecimal() or int(options.rows) < 1:
        raise BadInputError(
            f"{options.rows}: not a number of rows", f"use for example 10000; a full month has {MONTH_ROWS}"
        )
    return topics, int(options.rows)


def measure(platform: BenchPlatform, topics: list[str]) -> tuple[list[Row], dict[str, Any]]:
    """Returns the rows of all topics, and a description of the run with all measurements."""
    results, measurements, start = list[Row](), Measurements(), time.monotonic()
    run = {"rows": platform.rows, **machine.describe(platform)}
    for topic in topics:
        say(f"\n{topic}")
        for row in TOPICS[topic].measure(platform, measurements):
            is_full = platform.rows == MONTH_ROWS
            results.append(row if is_full else without_verdict(row, f"{platform.rows:,} rows are not a full month"))
            say("  " + table(results[-1:]).splitlines()[-1])
    run["seconds"] = round(time.monotonic() - start)
    return results, {**run, "measurements": measurements.to_json()}


def finish(topics: list[str], results: list[Row], run: dict[str, Any]) -> None:
    """Writes the files and prints the table."""
    suffix = "" if topics == list(TOPICS) else "-" + "-".join(topics)
    write(REPORTS / f"bench{suffix}.json", [to_json(row) for row in results])
    write(REPORTS / f"bench-run{suffix}.json", run)
    say(f"\n{table(results)}\n\n{len(missed(results))} of {len(results)} goals missed; see reports/bench{suffix}.json")


if __name__ == "__main__":
    exit_with(lambda: main(sys.argv[1:]))
