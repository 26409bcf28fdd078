"""Runs the lesson's checks on what the services hold now, and remembers in Orion what has passed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp

from orionbox.flow_settings import FlowSettings
from orionbox.lesson import homework, steps
from orionbox.lesson.checks import Achievement, Result, memory_from_json, memory_to_json, remember, run_checks
from orionbox.lesson.facts import BIGQUERY, BUCKET, ORION, POSTGRES, Facts, Table
from orionbox.orion.client import as_table
from services.start.lesson.orion import OrionFacts
from services.start.lesson.stores import StoreFacts
from services.start.status import TIMEOUT, UNREACHABLE, OrionDownError, Platform

CHECKS = (*steps.CHECKS, *homework.CHECKS)
ARTIFACT_KEY = "lesson"
"""The name of the table in Orion that remembers what has passed. A backup of Orion contains it, a reset deletes it."""
DESCRIPTION = "What you have achieved in the lesson. `make check` and the start page read it, so nothing is undone."
FRESH_SECONDS = 2
"""How long results are shown again without another look."""
WATCH_SECONDS = 3
"""How often Orion is asked whether anything has changed."""
LONGEST_LOOK = 8
"""Seconds after which what has not answered counts as unknown."""
MALFORMED = (LookupError, TypeError, ValueError, AttributeError)


class Progress:
    """The lesson's progress on this platform.

    Args:
        platform: the platform.
        session: the HTTP client.
        environment: `NAME_ADDRESS` of the services.
    """

    def __init__(self, platform: Platform, session: aiohttp.ClientSession, environment: Mapping[str, str]) -> None:
        self._platform, self._environment = platform, environment
        self._orion = OrionFacts(platform)
        addresses = [environment.get(f"{name}_ADDRESS", "") for name in ("GCS", "BIGQUERY", "POSTGRES")]
        self._stores = StoreFacts(session, *addresses)
        self._memory: dict[str, Achievement] = {}
        self._artifact = ""
        self._results: list[Result] = []
        self._looked = float("-inf")
        self._lock = asyncio.Lock()
        self._seen: object = None

    async def results(self) -> list[Result]:
        """Returns the result of every check: the lesson's steps, then the homework's."""
        async with self._lock:
            if time.monotonic() - self._looked > FRESH_SECONDS:
                self._results = await self._look()
                self._looked = time.monotonic()
            return self._results

    async def soon(self) -> list[Result]:
        """Returns the results within a few seconds: the last ones if another look takes longer."""
        look = asyncio.create_task(self.results())
        try:
            return await asyncio.wait_for(asyncio.shield(look), TIMEOUT)
        except TimeoutError:
            slow = Facts(runs=None, reasons={ORION: "the services are slow just now"})
            return self._results or run_checks(CHECKS, slow, self._memory, "")

    async def watch(self) -> None:
        """Looks again whenever Orion has changed, so that what a student deletes afterwards has been seen."""
        while True:
            try:
                seen = await self._state()
                if seen != self._seen:
                    await self.results()
                    self._seen = seen
            except (OrionDownError, *MALFORMED):
                pass
            await asyncio.sleep(WATCH_SECONDS)

    async def _state(self) -> object:
        """Returns what differs once a student has done something; cheap to ask for."""
        ended = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
        runs, blocks, deployments, policies = await asyncio.gather(
            self._platform.orion("flow_runs/count", ended),
            self._platform.orion("block_documents/count", {}),
            self._platform.orion("deployments/filter", {"sort": "UPDATED_DESC", "limit": 200}),
            self._platform.orion("flow_run_notification_policies/filter", {}),
        )
        versions = [(each["id"], each["schedules"], each["path"]) for each in deployments]
        return runs, blocks, versions, policies

    async def _look(self) -> list[Result]:
        await self._recall()
        facts = await self._gather()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        results = run_checks(CHECKS, facts, self._memory, now)
        if any(result.is_passed and result.check.name not in self._memory for result in results):
            await self._remember(results)
        return results

    async def _recall(self) -> None:
        """Reads the memory. While Orion does not answer, what was read last still counts."""
        chosen = {"artifacts": {"key": {"any_": [ARTIFACT_KEY]}}, "sort": "UPDATED_DESC", "limit": 1}
        try:
            found = await self._platform.orion("artifacts/filter", chosen)
            self._memory = memory_from_json(as_table(found[0]["data"])) if found else {}
            self._artifact = found[0]["id"] if found else ""
        except (OrionDownError, *MALFORMED):
            pass

    async def _remember(self, results: Sequence[Result]) -> None:
        memory = remember(self._memory, results)
        content = {"data": json.dumps(memory_to_json(memory)), "description": DESCRIPTION}
        try:
            if self._artifact:
                await self._platform.orion(f"artifacts/{self._artifact}", content, method="PATCH")
            else:
                created = await self._platform.orion("artifacts/", {"key": ARTIFACT_KEY, "type": "table", **content})
                self._artifact = created["id"]
            self._memory = memory
        except (OrionDownError, *MALFORMED):
            pass  # the next look tries again

    async def _warehouse(self) -> tuple[Table, ...]:
        return await self._stores.warehouse(await self._orion.warehouse_password())

    async def _gather(self) -> Facts:
        """Asks all services at once; what does not answer in time stays unknown."""
        questions: dict[str, tuple[str, Awaitable[Any]]] = {
            "runs": (ORION, self._orion.runs()),
            "deployments": (ORION, self._orion.deployments()),
            "blocks": (ORION, self._orion.blocks()),
            "notifications": (ORION, self._orion.notifications()),
            "warehouse": (POSTGRES, self._warehouse()),
        }
        reasons = {}
        if FlowSettings.from_environment(self._environment).is_real_cloud:
            reasons = dict.fromkeys((BUCKET, BIGQUERY), "Google's own bucket and BigQuery are not looked at")
        else:
            questions["objects"] = (BUCKET, self._stores.objects())
            questions["tables"] = (BIGQUERY, self._stores.tables())
        answers = dict(
            zip(questions, await asyncio.gather(*(_answer(ask) for _, ask in questions.values())), strict=True)
        )
        for name, (source, _) in questions.items():
            if isinstance(answers[name], str):
                reasons[source], answers[name] = f"{source} does not answer{answers[name]}", None
        unasked = {name: None for name in ("objects", "tables") if name not in questions}
        return Facts(runtime=self._environment.get("RUNTIME", ""), reasons=reasons, **answers, **unasked)


async def _answer(question: Awaitable[Any]) -> Any:
    """Returns the facts, or in parentheses why there are none, empty if nothing is known."""
    try:
        return await asyncio.wait_for(question, LONGEST_LOOK)
    except TimeoutError:
        return f" within {LONGEST_LOOK} s"
    except OrionDownError:
        return ""
    except aiohttp.ClientResponseError as error:
        return f" ({error.status} {error.message})"
    except UNREACHABLE as error:
        return f" ({type(error).__name__})"
    except MALFORMED as error:
        return f" as it should ({type(error).__name__})"
    except Exception as error:
        if type(error).__module__.startswith("psycopg2"):
            return f" ({str(error).strip().splitlines()[0]})"
        raise
