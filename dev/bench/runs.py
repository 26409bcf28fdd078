"""Flow runs through Orion and the agent, followed to their end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from dev.bench.bench_platform import Platform
from orionbox.errors import CommandError
from orionbox.orion.states import ENDED
from orionbox.runs.report import ARTIFACT_KEY, unflatten
from orionbox.trips.months import TripFile

POLL_SECONDS = 0.02
LONGEST = 900
"""Seconds after which a run is given up."""


def parameters(trips: TripFile) -> dict[str, Any]:
    """One month as the deployments take it."""
    return {"color": trips.color, "year": trips.year, "months": [trips.month]}


def run_to_end(
    platform: Platform, deployment: str, asked: dict[str, Any], watch: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Starts a run and waits for its end, calling `watch` all the time; the flow run.

    Raises:
        CommandError: it did not complete.
    """
    run_id, deadline = platform.orion.start_run(deployment, asked), time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        run = platform.orion.run(run_id)
        if run["state_type"] in ENDED:
            return _completed(deployment, run)
        pause = time.monotonic() + 0.5  # Orion is asked rarely: it has other work
        while time.monotonic() < pause:
            watch()
            time.sleep(POLL_SECONDS)
    raise CommandError(f"{deployment}: not at its end after {LONGEST} s")


def _completed(deployment: str, run: dict[str, Any]) -> dict[str, Any]:
    if run["state_type"] != "COMPLETED":
        raise CommandError(f"{deployment}: {run['state_name']}: {run['state'].get('message')}")
    return run


def counted(platform: Platform, run: dict[str, Any]) -> list[dict[str, int]]:
    """The rows that a run of the main job counted in each store, month by month."""
    return [unflatten(row)["rows"] for row in platform.orion.table_artifact(run["id"], ARTIFACT_KEY)]


def seconds_between(earlier: str, later: str) -> float:
    """Between two of Orion's timestamps."""
    return (_moment(later) - _moment(earlier)).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
