"""Which orphans the sweeper removes, and when it is healthy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orionbox.stores import staging_tables
from services.agent import sweeper


def test_the_sweeper_is_healthy_while_its_last_look_is_not_long_ago(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    swept = tmp_path / "swept"
    monkeypatch.setenv("SWEPT", str(swept))
    assert not sweeper.is_healthy()
    for noted, healthy in ((str(time.monotonic()), True), (str(time.monotonic() - 60), False), ("", True)):
        swept.write_text(noted)
        assert sweeper.is_healthy() is healthy, noted


def test_a_look_that_fails_sweeps_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = {
        "PREFECT_API_URL": "http://127.0.0.1:1/api",
        "DOCKER_HOST": "tcp://127.0.0.1:1",
        "BIGQUERY_EMULATOR_HOST": "http://127.0.0.1:1",
        "AGENT_LOCK": str(tmp_path / "lock"),
    }
    with pytest.raises(OSError):
        sweeper.Sweeper(environment).sweep()


def test_a_container_whose_label_is_no_run_stops_no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = str(uuid4())
    listed = [
        {"Id": f"container {number}", "State": "running", "Labels": {sweeper.RUN_LABEL: label} if label else None}
        for number, label in enumerate([run_id, "not-a-uuid", ""])
    ]
    sweeping = sweeper.Sweeper({"PREFECT_API_URL": "", "DOCKER_HOST": "tcp://docker:1", "AGENT_LOCK": ""})
    monkeypatch.setattr(sweeping.docker, "call", lambda path: listed)
    found = sweeping._containers() or {}
    assert [container.run_id for container in found.values()] == [run_id, "", ""]


class Answers:
    """An API with fixed answers; it keeps what it was asked to change."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.changed = answers, list[str]()

    def call(self, path: str, body: Any = None, method: str = "") -> Any:
        if method == "DELETE":
            self.changed.append(path)
            return None
        if body:
            found = self.answers[body["flow_runs"]["id"]["any_"][0]]
            return [{"state_type": found}] if found else []
        return self.answers


def test_only_staging_tables_of_ended_runs_are_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended, alive, deleted = (str(uuid4()) for _ in range(3))
    names = {run_id: staging_tables.new_name("green", run_id) for run_id in (ended, alive, deleted, None)}
    tables = [*names.values(), "green_tripdata", "loading_dock"]
    environment = {"PREFECT_API_URL": "", "BIGQUERY_EMULATOR_HOST": "", "AGENT_LOCK": ""}
    subject: Any = sweeper.Sweeper(environment)
    subject.orion = Answers(**{ended: "CRASHED", alive: "RUNNING", deleted: ""})
    subject.dataset = Answers(tables=[{"tableReference": {"tableId": name}} for name in tables])
    subject.sweep_tables()
    assert subject.dataset.changed == [], "before that, the run itself may have its say"
    later = time.monotonic() + sweeper.GRACE
    monkeypatch.setattr(time, "monotonic", lambda: later)
    subject.sweep_tables()
    assert subject.dataset.changed == [f"tables/{names[ended]}", f"tables/{names[deleted]}"]


def test_tasks_still_running_in_an_ended_run_are_crashed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, flows = [{"id": "task", "flow_run_id": "parent"}], [{"id": "child"}]

    class Orion(Answers):
        def list_objects(self, kind: str, **chosen: Any) -> list[dict[str, Any]]:
            if "parent_flow_run_id" in chosen.get("flow_runs", {}):
                return flows if chosen["flow_runs"]["parent_flow_run_id"] == {"any_": ["parent"]} else []
            of_one_run = chosen.get("flow_runs", {}).get("id")
            return tasks if kind == "task_runs" and of_one_run in (None, {"any_": ["parent"]}) else []

        def call(self, path: str, body: Any = None, method: str = "") -> Any:
            self.changed.append(f"{path} {body['state']['type']}")

    subject: Any = sweeper.Sweeper({"PREFECT_API_URL": "", "BIGQUERY_EMULATOR_HOST": "", "AGENT_LOCK": "lock"})
    subject.orion = Orion()
    subject.sweep()
    assert subject.orion.changed == [], "before that, the run itself may have its say"
    later = time.monotonic() + sweeper.GRACE
    monkeypatch.setattr(time, "monotonic", lambda: later)
    subject.sweep()
    assert subject.orion.changed == ["flow_runs/child/set_state CRASHED", "task_runs/task/set_state CRASHED"]
