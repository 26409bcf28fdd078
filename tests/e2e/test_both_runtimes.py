"""Compose and embedded are one platform: what a run reports is the same in both."""

from __future__ import annotations

from typing import Any

from tests.conftest import Checkout

VARIABLE = ("runtime", "seconds", "url", "flow_run_id")
GREEN = ("COLOR=green", "YEAR=2021", "MONTHS=1,2")


def essence(value: Any) -> Any:
    """A report without times, addresses, ids, and the runtime's name; of these only that they are there."""
    if isinstance(value, dict):
        return {key: key if key in VARIABLE else essence(inner) for key, inner in value.items()}
    return [essence(inner) for inner in value] if isinstance(value, list) else value


def test_both_runtimes_report_the_same(platform: Checkout, embedded_platform: Checkout) -> None:
    platforms = (platform, embedded_platform)
    for each in platforms:
        each.make("run-etl", *GREEN)
    compose, embedded = (each.report for each in platforms)
    assert (compose["runtime"], embedded["runtime"]) == ("compose", "embedded")
    assert essence(compose) == essence(embedded)
    assert [set(month["seconds"]) for month in compose["months"]] == [set(m["seconds"]) for m in embedded["months"]]
