"""`python3 -m bench`: measures all topics, or those that ONLY names (`ONLY=ingest,memory`), with ROWS in a month.

Writes reports/bench.json, the rows against the goals, and reports/bench-run.json, every single measurement with the
machine and the versions; with ONLY, in files of their own. Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from cli.programs import ROOT, say
from dev.bench import machine
from dev.bench.bench_platform import Platform, running_platform
from dev.bench.measurements import Samples
from dev.bench.results import Row, missed, table, to_json, unjudged, write
from dev.bench.topics import gcs_to_bigquery, ingest, memory, scaling, startup, web_to_gcs
from orionbox.errors import CommandError

TOPICS = {
    "ingest": ingest,
    "web_to_gcs": web_to_gcs,
    "gcs_to_bigquery": gcs_to_bigquery,
    "memory": memory,
    "startup": startup,
    "scaling": scaling,
}
MONTH_ROWS = 1_369_765
"""A full-size month: yellow 2021-01 has as many. The goals are for that."""
REPORTS = ROOT / "reports"


def main() -> int:
    """Measures, prints, writes; 0 if no goal is missed, 2 if the input was bad, 1 otherwise."""
    chosen = [name for name in os.environ.get("ONLY", "").split(",") if name] or list(TOPICS)
    rows = os.environ.get("ROWS") or str(MONTH_ROWS)
    if unknown := sorted(set(chosen) - set(TOPICS)):
        say(f"ONLY={','.join(unknown)}: there is no such topic; use some of {','.join(TOPICS)}")
        return 2
    if not rows.isdecimal() or int(rows) < 1:
        say(f"ROWS={rows}: not a number of rows; a full month is ROWS={MONTH_ROWS}")
        return 2
    try:
        with running_platform(int(rows)) as platform:
            results, run = measure(platform, chosen)
    except CommandError as error:
        say(str(error))
        return 1
    finish(chosen, results, run)
    return 1 if missed(results) else 0


def measure(platform: Platform, topics: list[str]) -> tuple[list[Row], dict[str, Any]]:
    """All rows of the topics, and what they were measured on."""
    results, samples, start = list[Row](), Samples(), time.monotonic()
    run = {"rows": platform.rows, **machine.describe(platform)}
    for topic in topics:
        say(f"\n{topic}")
        for row in TOPICS[topic].measure(platform, samples):
            results.append(row if platform.rows == MONTH_ROWS else unjudged(row, f"{platform.rows:,} rows, no month"))
            say("  " + table(results[-1:]).splitlines()[-1])
    run["seconds"] = round(time.monotonic() - start)
    return results, {**run, "samples": samples.to_json()}


def finish(topics: list[str], results: list[Row], run: dict[str, Any]) -> None:
    """Writes the files and prints the table."""
    part = "" if topics == list(TOPICS) else "-" + "-".join(topics)
    write(REPORTS / f"bench{part}.json", [to_json(row) for row in results])
    write(REPORTS / f"bench-run{part}.json", run)
    say(f"\n{table(results)}\n\n{len(missed(results))} of {len(results)} goals missed; see reports/bench{part}.json")


if __name__ == "__main__":
    sys.exit(main())
