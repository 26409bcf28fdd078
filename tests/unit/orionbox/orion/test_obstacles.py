"""What keeps runs from starting, as Orion describes it, and the command that undoes it."""

from __future__ import annotations

from typing import Any

import pytest

from orionbox.orion.client import ONE_TRY, Orion, RefusedError
from orionbox.orion.names import TAG
from orionbox.orion.obstacles import ABOUT_QUEUE, QUESTIONS, describe, find, find_for_run, replaced
from tests.unit.fake_api import FakeApi, json_answer

FREE = {"is_paused": False, "concurrency_limit": None}
POOL = {"name": "default-agent-pool", **FREE}
QUEUE = {"name": "default", **FREE}
OURS = {
    "name": "docker",
    "flow_id": "f",
    "tags": [TAG],
    "work_queue_name": "default",
    "path": "/opt/prefect/flows",
    "storage_document_id": None,
}
FLOWS = [{"id": "f", "name": "etl"}, {"id": "g", "name": "hello"}]
SHELL = "in make shell: prefect"


def lines(
    pool: Any = POOL, queues: Any = (QUEUE,), limits: Any = (), late: Any = (), deployments: Any = (OURS,)
) -> list[str]:
    return describe(pool, queues, limits, late, deployments, FLOWS)


def test_nothing_is_said_of_a_platform_as_it_was_made() -> None:
    other = {"name": "other", "is_paused": True, "concurrency_limit": 0}
    limit = {"tag": "slow", "concurrency_limit": 1}
    students = {**OURS, "flow_id": "g", "tags": [], "work_queue_name": "mine"}
    assert lines(queues=[QUEUE, other], limits=[limit], deployments=[OURS, students]) == []
    assert lines(queues=[{**QUEUE, "concurrency_limit": 2}]) == []
    assert lines(late=[{"work_queue_name": "default"}, {"work_queue_name": None}]) == []  # the agent's, or nobody's


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"queues": [{**QUEUE, "is_paused": True}]},
            f"queue default is paused; resume it {SHELL} work-queue resume default",
        ),
        (
            {"queues": [{**QUEUE, "concurrency_limit": 0}]},
            "queue default has the concurrency limit 0, so no run starts; "
            f"remove it {SHELL} work-queue clear-concurrency-limit default",
        ),
        (
            {"pool": {**POOL, "is_paused": True}},
            f"work pool default-agent-pool is paused; resume it {SHELL} work-pool resume default-agent-pool",
        ),
        (
            {"pool": {**POOL, "concurrency_limit": 0}},
            "work pool default-agent-pool has the concurrency limit 0, so no run starts; "
            f"remove it {SHELL} work-pool clear-concurrency-limit default-agent-pool",
        ),
        (
            {"queues": []},
            "queue default was deleted; the agent makes a new one within seconds, then run: make up",
        ),
        (
            {"limits": [{"tag": "slow", "concurrency_limit": 0}]},
            f"tag slow has the limit 0, so tasks with it never start; remove it {SHELL} concurrency-limit delete slow",
        ),
        (
            {"late": [{"work_queue_name": "homework"}, {"work_queue_name": "homework"}]},
            f"runs wait in queue homework, and no agent takes them; start one {SHELL} agent start -q 'homework', "
            "or deploy the flow again with -q default",
        ),
        (
            {"deployments": [{**OURS, "work_queue_name": None}]},
            "deployment etl/docker has no queue, because its queue was deleted, so nothing starts its runs; "
            "connect it with: make up",
        ),
        (
            {"deployments": [{**OURS, "flow_id": "g", "tags": ["mine"], "work_queue_name": None}]},
            "deployment hello/docker has no queue, because its queue was deleted, so nothing starts its runs; "
            "deploy it again with the queue default",
        ),
    ],
)
def test_each_setting_is_named_with_the_command_that_undoes_it(given: dict[str, Any], line: str) -> None:
    assert lines(**given) == [line]


@pytest.mark.parametrize(
    "change", [{"tags": ["mine"]}, {"path": "/workspace"}, {"path": None}, {"storage_document_id": "block"}]
)
def test_a_deployment_in_place_of_the_platforms_is_named_but_stops_nothing(change: dict[str, Any]) -> None:
    students = {**OURS, **change}
    assert lines(deployments=[students]) == []
    assert replaced([students, {**students, "name": "mine"}, {**students, "flow_id": "g"}, OURS], FLOWS) == [
        "deployment etl/docker is yours now, in place of the platform's; to get that one back, give yours another "
        f"name or delete it ({SHELL} deployment delete 'etl/docker'), then run: make up"
    ]


def test_several_settings_are_several_lines() -> None:
    paused = {"is_paused": True, "concurrency_limit": 0}
    assert len(lines(pool={**POOL, **paused}, queues=[{**QUEUE, **paused}])) == 4


ANSWERS: dict[str, Any] = dict(
    zip((question.path for question in QUESTIONS), (POOL, [QUEUE], [], [], [OURS], FLOWS), strict=True)
)


def test_orion_is_asked_for_what_the_lines_need() -> None:
    paused = {**ANSWERS, ABOUT_QUEUE[0].path: {**POOL, "is_paused": True}, "deployments/name/etl/docker": OURS}
    with FakeApi(route=lambda path, body: paused[path.removeprefix("/api/")]).serving() as api:
        orion = Orion(api.url, ONE_TRY)
        assert len(find(orion)) == len(find(orion, with_replaced=True)) == len(find_for_run(orion, "etl/docker")) == 1
        paused["deployments/name/etl/docker"] = {**OURS, "tags": []}
        paused["deployments/filter"] = [{**OURS, "tags": []}]
        assert (len(find(orion)), len(find(orion, True)), len(find_for_run(orion, "etl/docker"))) == (1, 2, 2)


def test_an_orion_that_does_not_answer_is_not_this_module_s_to_report() -> None:
    assert find(Orion("http://127.0.0.1:9", ONE_TRY)) == []


def test_a_deployment_that_was_deleted_is_an_error_with_its_command() -> None:
    with FakeApi([json_answer({}, 404)]).serving() as api, pytest.raises(RefusedError) as error:
        find_for_run(Orion(api.url, ONE_TRY), "etl/docker")
    assert (error.value.text, error.value.fix) == ("Orion has no deployment etl/docker", "create it with: make up")
