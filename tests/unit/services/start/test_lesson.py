"""The lesson's progress: gathered from fake services, remembered in Orion, and shown."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from orionbox.lesson.checks import PASSED, UNKNOWN, Result
from services.start.__main__ import sentence
from services.start.lesson.orion import numbers_in
from services.start.lesson.progress import Progress
from services.start.status import Platform
from tests.unit.fake_api import FakeApi

TIME = "2026-01-01T12:00:00+00:00"
RUN = {
    "id": "r",
    "name": "big-dog",
    "flow_id": "f",
    "state_type": "COMPLETED",
    "expected_start_time": TIME,
    "start_time": TIME,
    "end_time": TIME,
    "deployment_id": None,
    "state": {"message": None},
    "parent_task_run_id": None,
}
DEPLOYMENT = {
    "id": "d",
    "name": "etl2",
    "flow_id": "f",
    "updated": TIME,
    "path": "/workspace",
    "storage_document_id": None,
    "infrastructure_document_id": None,
    "pull_steps": None,
    "paused": False,
    "schedules": [{"active": True, "schedule": {"cron": "0 5 1 * *", "timezone": "Europe/Berlin"}}],
}


@dataclass
class FakeOrion:
    """Orion with a script's run, and a deployment that may be deleted."""

    deployments: list[dict[str, Any]] = field(default_factory=lambda: [DEPLOYMENT])
    runs: list[dict[str, Any]] = field(default_factory=lambda: [RUN])
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, path: str, body: Any) -> Any:
        path = path.removeprefix("/api/")
        if path == "artifacts/":
            self.artifacts["a"] = {"id": "a", **body}
            return self.artifacts["a"]
        if path.startswith("artifacts/") and path != "artifacts/filter":
            self.artifacts[path.removeprefix("artifacts/")].update(body)
            return None
        known = {
            "artifacts/filter": list(self.artifacts.values()),
            "flow_runs/filter": self.runs,
            "flows/filter": [{"id": "f", "name": "Count Trips"}],
            "logs/filter": [{"message": "rows: 447770"}],
            "deployments/filter": self.deployments,
        }
        return known.get(path, [])


def look(url: str, times: int = 1) -> dict[str, Result]:
    """What a new service finds; several looks at one moment are one."""

    async def ask() -> list[Result]:
        async with aiohttp.ClientSession() as session:
            nowhere = f"127.0.0.1:{unused_port()}"
            environment = {
                "ORION_ADDRESS": url.removeprefix("http://"),
                "GCS_ADDRESS": nowhere,
                "BIGQUERY_ADDRESS": nowhere,
                "POSTGRES_ADDRESS": nowhere,
            }
            progress = Progress(Platform(session, environment), session, environment)
            return (await asyncio.gather(*(progress.results() for _ in range(times))))[0]

    return {each.check.name: each for each in asyncio.run(ask())}


def test_what_has_passed_is_remembered_in_orion_by_the_next_service() -> None:
    orion = FakeOrion()
    with FakeApi(route=orion.answer).serving() as api:
        first = look(api.url, times=3)
        assert first["script"].status == first["schedule"].status == PASSED
        assert sum(path == "/api/artifacts/" for _, path, _ in api.requests) == 1
        orion.deployments.clear()
        again = look(api.url)
    assert again["schedule"] == first["schedule"], "the deployment is deleted, and the step stays passed"
    kept = {row["check"] for row in json.loads(orion.artifacts["a"]["data"])}
    assert {"script", "schedule"} <= kept and "q2" not in kept
    assert orion.artifacts["a"]["description"]


def test_a_later_achievement_is_added_to_the_earlier_ones() -> None:
    orion = FakeOrion(deployments=[])
    with FakeApi(route=orion.answer).serving() as api:
        assert look(api.url)["schedule"].status != PASSED
        orion.deployments.append(DEPLOYMENT)
        look(api.url)
    assert {"script", "schedule"} <= {row["check"] for row in json.loads(orion.artifacts["a"]["data"])}
    assert len(orion.artifacts) == 1


def test_a_run_that_failed_before_it_started_is_named_with_its_reason() -> None:
    failed = {**RUN, "state_type": "FAILED", "state": {"message": "no such flow"}, "start_time": None, "end_time": None}
    with FakeApi(route=FakeOrion(runs=[failed]).answer).serving() as api:
        found = look(api.url)
    assert found["script"].rationale == "run big-dog of flow Count Trips ended as failed: no such flow"


def test_stores_that_do_not_answer_are_named_and_the_rest_is_checked() -> None:
    with FakeApi(route=FakeOrion().answer).serving() as api:
        found = look(api.url)
    assert (found["to-gcs"].status, found["script"].status) == (UNKNOWN, PASSED)
    assert found["to-gcs"].rationale.startswith("Cloud Storage does not answer")
    assert found["q1"].status == UNKNOWN


@pytest.mark.parametrize("answer", [1, "x", [1], {"a": 1}, [[]], None])
def test_answers_that_are_not_orion_s_leave_everything_unknown(answer: Any) -> None:
    with FakeApi(route=lambda path, body: answer).serving() as api:
        found = look(api.url)
    assert found["pipeline"].status == UNKNOWN and found["pipeline"].hint


@pytest.mark.parametrize(
    "line, numbers",
    [
        ("rows: 447770", {447_770}),
        ("447,770 rows -> gs://b", {447_770}),
        ("Total rows: 14_851_920.", {14_851_920}),
        ("1447770 of 447770.5 and v2.88605", set()),
        ("df has 514392 rows, 88605 more", {514_392, 88_605}),
        (5000 * "9" + ", of 88605", {88_605}),
    ],
)
def test_an_answer_is_found_in_a_log_line_however_it_is_written(line: str, numbers: set[int]) -> None:
    assert numbers_in(line) == numbers


def test_a_sentence_has_its_code_marked_and_everything_else_escaped() -> None:
    assert sentence("its cron is `0 5 * * 1`: <b>") == "Its cron is <code>0 5 * * 1</code>: &lt;b&gt;"
