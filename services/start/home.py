"""What the start page shows: gathered from the services, all at the same time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orionbox.orion.states import ACTIVE, ENDED
from orionbox.runs.report import ARTIFACT_KEY, STORES, page_name
from services.start.lesson import STEPS, Progress, Step, next_step
from services.start.status import PATIENCE, OrionDownError, Platform, Standing, ago

RUNS_SHOWN = 8
RUNS_SOUGHT = 200
"""How many runs back a page is looked for; Orion answers with no more at a time."""
STATES_SHOWN = [*ACTIVE, "PAUSED", *ENDED]
"""All but those that wait for their time."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A flow run, as one line."""

    name: str
    flow: str
    state: str
    kind: str
    """The state's type in Orion, for example `completed`."""
    when: str
    seconds: str
    counts: str
    link: str
    report: str
    """The name of its page; empty where it has none."""


@dataclass(frozen=True)
class Overview:
    """The whole page."""

    standings: list[Standing]
    runs: list[Run] | None
    """None where Orion cannot be asked."""
    steps: list[Progress]
    next: Step | None
    cloud: str
    """What the cloud is, in words."""

    @property
    def down(self) -> list[str]:
        """The titles of the services that do not do their work."""
        return [standing.service.title for standing in self.standings if standing.up is False]

    @property
    def steps_known(self) -> bool:
        """Whether Orion could be asked for each step."""
        return all(progress.done is not None for progress in self.steps)

    @property
    def done(self) -> int:
        """How many steps are done."""
        return sum(progress.done is True for progress in self.steps)


async def gather(platform: Platform) -> Overview:
    """Asks everything; what does not answer is down, and what only it knows stays open."""
    standings, runs, steps = await asyncio.gather(platform.standings(), last_runs(platform), progress(platform))
    return Overview(standings, runs, steps, next_step(steps), platform.cloud)


async def progress(platform: Platform) -> list[Progress]:
    """The lesson's steps with what is done."""
    return list(await asyncio.gather(*(_look(platform, step) for step in STEPS)))


async def _look(platform: Platform, step: Step) -> Progress:
    try:
        # A number, or a list
        return Progress(step, bool(await platform.orion(step.evidence, dict(step.query))))
    except OrionDownError:
        return Progress(step, None)


async def last_runs(platform: Platform) -> list[Run] | None:
    """The newest runs that no other run has started; None where Orion does not answer."""
    chosen = {
        "flow_runs": {
            "parent_task_run_id": {"is_null_": True},
            "state": {"type": {"any_": STATES_SHOWN}},
        },
        "sort": "START_TIME_DESC",
        "limit": RUNS_SHOWN,
    }
    try:
        found: list[Json] = await platform.orion("flow_runs/filter", chosen)
        flows, tables = await asyncio.gather(_flow_names(platform, found), _tables(platform, found))
    except OrionDownError:
        return None
    now = datetime.now(UTC)
    return [_line(run, flows, tables.get(run["id"]), platform.orion_link, now) for run in found]


async def find_run(platform: Platform, start: str) -> str:
    """The id, beginning so, of a run that has left counts; empty where there is none.

    Raises:
        OrionDownError: Orion does not answer.
    """
    chosen = {"artifacts": {"key": {"any_": [ARTIFACT_KEY]}}, "sort": "UPDATED_DESC", "limit": RUNS_SOUGHT}
    found = await platform.orion("artifacts/filter", chosen, PATIENCE)
    return next((str(each["flow_run_id"]) for each in found if (each["flow_run_id"] or "").startswith(start)), "")


async def _flow_names(platform: Platform, runs: list[Json]) -> dict[str, str]:
    wanted = {"flows": {"id": {"any_": sorted({run["flow_id"] for run in runs})}}}
    return {flow["id"]: flow["name"] for flow in await platform.orion("flows/filter", wanted)}


async def _tables(platform: Platform, runs: list[Json]) -> dict[str, list[Json]]:
    """The counts that runs of the main job have left, by run."""
    chosen = {"flow_run_id": {"any_": [run["id"] for run in runs]}, "key": {"any_": [ARTIFACT_KEY]}}
    found = await platform.orion("artifacts/filter", {"artifacts": chosen})
    return {artifact["flow_run_id"]: json.loads(artifact["data"]) for artifact in found}


def _line(run: Json, flows: Mapping[str, str], table: list[Json] | None, orion: str, now: datetime) -> Run:
    return Run(
        name=run["name"],
        flow=flows.get(run["flow_id"], ""),
        state=run["state_name"],
        kind=run["state_type"].lower(),
        when=ago(run["start_time"], now),
        seconds=f"{run['total_run_time']:.1f} s" if run["total_run_time"] else "",
        counts=counts(table or []),
        link=f"{orion}/flow-runs/flow-run/{run['id']}",
        report=page_name(run["name"], run["id"]) if table else "",
    )


def counts(table: list[Json]) -> str:
    """The rows of a main run in one phrase: one number where every store has as many."""
    if not table:
        return ""
    sums = {store: sum(int(month[f"rows.{store}"]) for month in table) for store in STORES}
    if len(set(sums.values())) == 1:
        return f"{sums['source']:,} rows, in all {len(STORES)} places"
    return ", ".join(f"{store} {rows:,}" for store, rows in sums.items())
