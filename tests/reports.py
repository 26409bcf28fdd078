"""Checks the documented format of reports/last-run.json, which is the same in both runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orionbox.trips.months import TripFile

STORES = ("source", "parquet", "bigquery", "postgres")
STEPS = {"fetch", "clean", "write", "upload", "bigquery", "postgres"}


def assert_documented(report: dict[str, Any], runtime: str, expected: Mapping[TripFile, int]) -> None:
    """Compares the report of a run of real months with the rows of its files; nothing may be missing or added."""
    months = [
        {
            "color": trips.color,
            "year": trips.year,
            "month": trips.month,
            "source": "real",
            "rows": dict.fromkeys(STORES, rows),
            "seconds": STEPS,
        }
        for trips, rows in expected.items()
    ]
    assert {**report, "months": [{**month, "seconds": set(month["seconds"])} for month in report["months"]]} == {
        "runtime": runtime,
        "cloud": "emulators",
        "flow_run_id": report["flow_run_id"],
        "state": "Completed",
        "url": report["url"],
        "seconds": report["seconds"],
        "months": months,
    }
    assert report["url"].endswith(f"/flow-runs/flow-run/{report['flow_run_id']}") and report["seconds"] > 0
