"""Gathers from Orion what the lesson's checks look at."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from orionbox.lesson.facts import Block, Deployment, Notification, Run, Schedule
from orionbox.lesson.homework import ANSWERS
from orionbox.orion.names import WAREHOUSE_PATH
from orionbox.orion.states import ENDED
from services.start.status import Platform

PAGE = 200
"""Objects in one answer, the most that Orion sends."""
PATIENCE = 7
"""Seconds for an answer of Orion, which may be slow while runs are active."""
RUNS_WITH_LOGS = 60
"""How many of the newest runs' logs are searched for answers."""
LOG_PAGES = 10
NUMBER = re.compile(r"(?<![\d.,_])\d[\d,_]{0,30}(?![\d,_]|\.\d)")
Json = dict[str, Any]


def numbers_in(text: str) -> frozenset[int]:
    """Returns the answers to questions that are in a log line, with or without separators of thousands."""
    found = (int(number.replace(",", "").replace("_", "")) for number in NUMBER.findall(text))
    return ANSWERS.intersection(found)


class OrionFacts:
    """Reads Orion, and keeps what its logs said: those of a run that has ended do not change."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._numbers: dict[str, frozenset[int]] = {}
        self._few_at_a_time = asyncio.Semaphore(6)

    async def _list(self, objects: str, **filters: Any) -> list[Json]:
        """Returns every object that matches the filters."""
        found: list[Json] = []
        while True:
            page = await self._ask(objects, {**filters, "limit": PAGE, "offset": len(found)})
            found += page
            if len(page) < PAGE:
                return found

    async def deployments(self) -> tuple[Deployment, ...]:
        """Returns all deployments, newest first."""
        deployments, flows, blocks = await asyncio.gather(
            self._list("deployments"), self._list("flows"), self._list("block_documents", include_secrets=False)
        )
        flow_names = {flow["id"]: flow["name"] for flow in flows}
        kinds = {block["id"]: block["block_type"]["slug"] for block in blocks}
        newest_first = sorted(deployments, key=lambda each: str(each["updated"]), reverse=True)
        return tuple(_deployment(each, flow_names, kinds) for each in newest_first)

    async def blocks(self) -> tuple[Block, ...]:
        """Returns all blocks that have a name; of a secret, the length of its value as well."""
        documents = await self._list("block_documents", include_secrets=False)
        named = [document for document in documents if not document["is_anonymous"]]
        secrets = [document for document in named if document["block_type"]["slug"] == "secret"]
        lengths = await asyncio.gather(*map(self._length, secrets))
        by_id = {document["id"]: length for document, length in zip(secrets, lengths, strict=True)}
        return tuple(
            Block(document["name"], document["block_type"]["slug"], by_id.get(document["id"], 0)) for document in named
        )

    async def _length(self, secret: Json) -> int:
        document = await self._platform.orion(f"block_documents/{secret['id']}?include_secrets=true", seconds=PATIENCE)
        return len(str(document["data"].get("value", "")))

    async def notifications(self) -> tuple[Notification, ...]:
        """Returns the notification policies."""
        found = await self._list("flow_run_notification_policies")
        return tuple(
            Notification(tuple(each["state_names"]), each["is_active"], _time(each["created"])) for each in found
        )

    async def warehouse_password(self) -> str:
        """Returns the warehouse's password, from the platform's own block: a student may have changed the course's."""
        document = await self._platform.orion(WAREHOUSE_PATH, seconds=PATIENCE)
        return str(document["data"]["connection_info"]["password"])

    async def runs(self) -> tuple[Run, ...]:
        """Returns the newest runs that have ended, newest first, those of sub-flows among them."""
        chosen = {"flow_runs": {"state": {"type": {"any_": list(ENDED)}}}, "sort": "START_TIME_DESC", "limit": PAGE}
        found = await self._ask("flow_runs", chosen)
        flows, parents, cached = await asyncio.gather(
            self._ask("flows", {"flows": {"id": {"any_": sorted({run["flow_id"] for run in found})}}}),
            self._parents(found),
            self._ask("task_runs", {"task_runs": {"state": {"name": {"any_": ["Cached"]}}}, "limit": PAGE}),
        )
        flow_names = {flow["id"]: flow["name"] for flow in flows}
        roots = {run["id"]: _root(run["id"], parents) for run in found}
        numbers = await self._numbers_by_root(found[:RUNS_WITH_LOGS], roots)
        with_cache = {roots.get(task["flow_run_id"], task["flow_run_id"]) for task in cached}
        return tuple(
            _run(run, flow_names, numbers.get(run["id"], frozenset()), run["id"] in with_cache) for run in found
        )

    async def _ask(self, objects: str, chosen: Json) -> list[Json]:
        found: list[Json] = await self._platform.orion(f"{objects}/filter", chosen, PATIENCE)
        return found

    async def _parents(self, runs: Iterable[Json]) -> dict[str, str]:
        """Returns the run that has started each sub-flow."""
        tasks = {run["parent_task_run_id"]: run["id"] for run in runs if run["parent_task_run_id"]}
        if not tasks:
            return {}
        found = await self._ask("task_runs", {"task_runs": {"id": {"any_": sorted(tasks)}}, "limit": PAGE})
        return {tasks[task["id"]]: task["flow_run_id"] for task in found}

    async def _numbers_by_root(self, runs: Sequence[Json], roots: Mapping[str, str]) -> dict[str, frozenset[int]]:
        unread = [run["id"] for run in runs if run["id"] not in self._numbers]
        await asyncio.gather(*map(self._read_numbers, unread))
        found: dict[str, frozenset[int]] = {}
        for run in runs:
            root = roots[run["id"]]
            found[root] = found.get(root, frozenset()) | self._numbers[run["id"]]
        return found

    async def _read_numbers(self, run_id: str) -> None:
        async with self._few_at_a_time:
            self._numbers[run_id] = await self._numbers_of(run_id)

    async def _numbers_of(self, run_id: str) -> frozenset[int]:
        found = frozenset[int]()
        for page in range(LOG_PAGES):
            chosen = {"logs": {"flow_run_id": {"any_": [run_id]}}, "limit": PAGE, "offset": page * PAGE}
            lines = await self._ask("logs", {**chosen, "sort": "TIMESTAMP_ASC"})
            found = found.union(*(numbers_in(line["message"]) for line in lines))
            if len(lines) < PAGE:
                break
        return found


def _root(run_id: str, parents: Mapping[str, str]) -> str:
    while run_id in parents:
        run_id = parents[run_id]
    return run_id


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _run(run: Json, flows: Mapping[str, str], numbers: frozenset[int], is_cached: bool) -> Run:
    return Run(
        name=run["name"],
        flow=flows.get(run["flow_id"], ""),
        state=run["state_type"],
        # A run whose code is not found fails without having started
        start=_time(run["start_time"] or run["expected_start_time"]),
        end=_time(run["end_time"] or run["start_time"] or run["expected_start_time"]),
        deployment_id=run["deployment_id"] or "",
        message=(run["state"] or {}).get("message") or "",
        is_subflow=run["parent_task_run_id"] is not None,
        numbers=numbers,
        is_cached=is_cached,
    )


def _deployment(deployment: Json, flows: Mapping[str, str], kinds: Mapping[str, str]) -> Deployment:
    storage = kinds.get(deployment["storage_document_id"] or "", "")
    if not storage and any("git_clone" in name for step in deployment["pull_steps"] or () for name in step):
        storage = "github"
    return Deployment(
        id=deployment["id"],
        name=f"{flows.get(deployment['flow_id'], '')}/{deployment['name']}",
        path=deployment["path"] or "",
        storage=storage,
        infrastructure=kinds.get(deployment["infrastructure_document_id"] or "", "process"),
        schedules=tuple(_schedule(each, deployment["paused"]) for each in deployment["schedules"]),
    )


def _schedule(found: Json, is_paused: bool) -> Schedule:
    schedule = found["schedule"]
    kind = next((kind for kind in ("cron", "rrule", "interval") if kind in schedule), "unknown")
    text = f"{schedule.get(kind, '')}"
    return Schedule(kind, text, schedule.get("timezone") or "UTC", bool(found["active"]) and not is_paused)
