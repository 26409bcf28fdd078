"""Starts flow runs through Orion and follows them to their end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from dev.bench.bench_platform import BenchPlatform
from orionbox.errors import CommandError
from orionbox.orion.states import ENDED
from orionbox.runs.report import ARTIFACT_KEY, unflatten
from orionbox.trips.months import TripFile

POLL_SECONDS = 0.02
RUN_TIMEOUT = 900
"""Seconds in which a run must end."""


def parameters(trips: TripFile) -> dict[str, Any]:
    """Returns one month as parameters of the deployments."""
    return {"color": trips.color, "year": trips.year, "months": [trips.month]}


def run_to_end(
    platform: BenchPlatform, deployment: str, run_parameters: dict[str, Any], watch: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Starts a run and waits for its end, calling `watch` all the time; returns the flow run.

    Raises:
        CommandError: the run did not complete.
    """
    run_id, deadline = platform.orion.start_run(deployment, run_parameters), time.monotonic() + RUN_TIMEOUT
    while time.monotonic() < deadline:
        run = platform.orion.run(run_id)
        if run["state_type"] in ENDED:
            return _completed(deployment, run)
        pause = time.monotonic() + 0.5  # Orion is busy with the run: poll it rarely
        while time.monotonic() < pause:
            watch()
            time.sleep(POLL_SECONDS)
    raise CommandError(f"{deployment}: did not end within {RUN_TIMEOUT} s")


def _completed(deployment: str, run: dict[str, Any]) -> dict[str, Any]:
    if run["state_type"] != "COMPLETED":
        raise CommandError(f"{deployment}: {run['state_name']}: {run['state'].get('message')}")
    return run


def counted(platform: BenchPlatform, run: dict[str, Any]) -> list[dict[str, int]]:
    """Returns the rows in each store that a run of the main job counted, month by month."""
    return [unflatten(row)["rows"] for row in platform.orion.table_artifact(run["id"], ARTIFACT_KEY)]


def seconds_between(earlier: str, later: str) -> float:
    """Returns the seconds between two of Orion's timestamps."""
    return (_moment(later) - _moment(earlier)).total_seconds()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
