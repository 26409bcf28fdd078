"""Gathers the start page's data from all services in parallel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orionbox.lesson.checks import LESSON, Result, next_result
from orionbox.orion import obstacles
from orionbox.orion.client import as_table
from orionbox.orion.states import ACTIVE, ENDED
from orionbox.runs.disk_space import Disk
from orionbox.runs.report import ARTIFACT_KEY, STORES, months_in, page_name
from services.start.fetched import FetchedFile, last_fetched
from services.start.lesson.progress import Progress
from services.start.status import DOWN, LONG_TIMEOUT, SLOW, UNKNOWN, OrionDownError, Platform, ServiceStatus, ago

RUNS_SHOWN = 8
RUNS_SEARCHED = 200
"""How many of the newest runs are searched for a page's run; Orion sends no more at a time."""
STATES_SHOWN = [*ACTIVE, "PAUSED", *ENDED]
"""All states except scheduled."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A flow run, as one line."""

    name: str
    flow: str
    state: str
    state_type: str
    """Orion's state type in lower case, for example `completed`."""
    when: str
    seconds: str
    counts: str
    link: str
    report: str
    """The name of its page; empty if it has none."""


@dataclass(frozen=True)
class Overview:
    """The content of the page."""

    statuses: list[ServiceStatus]
    runs: list[Run] | None
    """None if Orion does not answer."""
    steps: list[Result]
    """The lesson's steps."""
    next: Result | None
    """The first step or question that has not passed."""
    cloud: str
    """A sentence that says whether the cloud is real."""
    fetched: list[FetchedFile]
    """The taxi files that runs and the shell have fetched last."""
    obstacles: list[str]
    """What somebody has set in Orion so that no run starts, a line each."""
    disk: Disk
    """The disk of the platform's data."""

    @property
    def down(self) -> list[str]:
        """Returns the titles of the services that are down."""
        return self._titles(DOWN)

    @property
    def slow(self) -> list[str]:
        """Returns the titles of the services that take longer to answer than they should."""
        return self._titles(SLOW)

    @property
    def unknown(self) -> list[str]:
        """Returns the titles of this platform's own services about which nobody can tell."""
        return [each.service.title for each in self.statuses if each.health == UNKNOWN and not each.service.console]

    @property
    def has_active_run(self) -> bool:
        """Returns whether a run among the newest has not ended."""
        return any(run.state_type.upper() in ACTIVE for run in self.runs or [])

    def _titles(self, health: str) -> list[str]:
        return [status.service.title for status in self.statuses if status.health == health]

    @property
    def steps_done(self) -> int:
        """Returns how many steps are done."""
        return sum(step.is_passed for step in self.steps)


async def gather_overview(platform: Platform, progress: Progress) -> Overview:
    """Asks all services. One that does not answer is down, and facts that only it knows stay unknown."""
    statuses, runs, results, fetched, found = await asyncio.gather(
        platform.statuses(), last_runs(platform), progress.soon(), last_fetched(platform), find_obstacles(platform)
    )
    steps = [result for result in results if result.check.group == LESSON]
    return Overview(statuses, runs, steps, next_result(results), platform.cloud, fetched, found, platform.disk)


async def find_obstacles(platform: Platform) -> list[str]:
    """Returns what keeps runs from starting; nothing if Orion does not answer."""
    try:
        return obstacles.describe(
            *await asyncio.gather(*(platform.orion(*question) for question in obstacles.QUESTIONS))
        )
    except (OrionDownError, KeyError, TypeError):
        return []


async def last_runs(platform: Platform, limit: int = RUNS_SHOWN, offset: int = 0) -> list[Run] | None:
    """Returns the newest runs that no other run has started, from `offset` on; None if Orion does not answer."""
    chosen = {
        "flow_runs": {
            "parent_task_run_id": {"is_null_": True},
            "state": {"type": {"any_": STATES_SHOWN}},
        },
        "sort": "START_TIME_DESC",
        "limit": limit,
        "offset": offset,
    }
    try:
        found: list[Json] = await platform.orion("flow_runs/filter", chosen)
        flows, tables = await asyncio.gather(_flow_names(platform, found), _tables(platform, found))
    except OrionDownError:
        return None
    now = datetime.now(UTC)
    return [_line(run, flows, tables.get(run["id"]), platform.orion_link, now) for run in found]


async def runs_with_counts(platform: Platform) -> dict[str, datetime]:
    """Returns the page of each of the newest runs that have left counts, and when.

    Raises:
        OrionDownError: Orion does not answer.
    """
    chosen = {"flow_runs": {"id": {"any_": sorted(set(await _ids_with_counts(platform)))}}}
    runs = await platform.orion("flow_runs/filter", chosen, LONG_TIMEOUT)
    return {page_name(run["name"], run["id"]): datetime.fromisoformat(run["created"]) for run in runs}


async def find_run(platform: Platform, start: str) -> str:
    """Returns the id, which begins with `start`, of a run that has left counts; empty if there is none.

    Raises:
        OrionDownError: Orion does not answer.
    """
    return next((run_id for run_id in await _ids_with_counts(platform) if run_id.startswith(start)), "")


async def _ids_with_counts(platform: Platform) -> list[str]:
    """Returns the ids of the newest runs that have left counts, newest first."""
    chosen = {"artifacts": {"key": {"any_": [ARTIFACT_KEY]}}, "sort": "UPDATED_DESC", "limit": RUNS_SEARCHED}
    found = await platform.orion("artifacts/filter", chosen, LONG_TIMEOUT)
    return [str(artifact["flow_run_id"]) for artifact in found if artifact["flow_run_id"]]


async def _flow_names(platform: Platform, runs: list[Json]) -> dict[str, str]:
    chosen = {"flows": {"id": {"any_": sorted({run["flow_id"] for run in runs})}}}
    return {flow["id"]: flow["name"] for flow in await platform.orion("flows/filter", chosen)}


async def _tables(platform: Platform, runs: list[Json]) -> dict[str, list[Json]]:
    """Returns the count tables that runs of the main job have left, by run."""
    chosen = {"flow_run_id": {"any_": [run["id"] for run in runs]}, "key": {"any_": [ARTIFACT_KEY]}}
    found = await platform.orion("artifacts/filter", {"artifacts": chosen})
    return {artifact["flow_run_id"]: months_in(as_table(artifact["data"])) for artifact in found}


def _line(run: Json, flows: Mapping[str, str], table: list[Json] | None, orion: str, now: datetime) -> Run:
    return Run(
        name=run["name"],
        flow=flows.get(run["flow_id"], ""),
        state=run["state_name"],
        state_type=run["state_type"].lower(),
        when=ago(run["start_time"], now),
        seconds=f"{run['total_run_time']:.1f} s" if run["total_run_time"] else "",
        counts=counts(table or []),
        link=f"{orion}/flow-runs/flow-run/{run['id']}",
        report=page_name(run["name"], run["id"]) if table else "",
    )


def counts(table: list[Json]) -> str:
    """Returns how many rows a run of the main job has moved: one number if all counts are equal."""
    if not table:
        return ""
    sums = {store: sum(int(month[f"rows.{store}"]) for month in table) for store in STORES}
    if len(set(sums.values())) == 1:
        return f"{sums['source']:,} rows in source, parquet, BigQuery and Postgres"
    return ", ".join(f"{store} {rows:,}" for store, rows in sums.items())
