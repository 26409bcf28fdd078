"""What the sweeper takes for an orphan, and what it leaves alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orionbox.stores import staging_tables
from services.agent import lock as agent
from services.agent import orphans, sweeper
from services.agent.lock import Living
from services.agent.orphans import Patience, Surroundings, idle
from tests.conftest import ROOT, wait_for

SOURCE = ROOT / "src"
NOW = datetime.now(UTC)
DOCKER = "http://docker-proxy:2375"
CONTAINERS = {"alive": ("running", "run-1"), "ended": ("exited", "run-2"), "unborn": ("created", "run-3")}
AGENT = Living(NOW - timedelta(hours=1), "agent-2")
COMPOSE = Surroundings(DOCKER, CONTAINERS, "agent", AGENT)


def run(pid: str | None, state: str = "RUNNING", since: datetime = NOW, **fields: Any) -> dict[str, Any]:
    own = {"deployment_id": "d", "work_queue_name": "default", **fields}
    return {
        "id": "run-9",
        "infrastructure_pid": pid,
        "state_type": state,
        "state": {"timestamp": since.isoformat()},
        **own,
    }


BEFORE_THE_AGENT = NOW - timedelta(hours=2)


@pytest.mark.parametrize(
    ("orphan", "what"),
    [
        (run(f"{DOCKER}:gone"), "container"),
        (run(f"{DOCKER}:ended"), "container"),
        (run(f"{DOCKER}:unborn", "PENDING"), "container"),
        (run("agent-1:17"), "process"),
        (run("agent-1:17", "CANCELLING"), "process"),
        (run(None, "PENDING", since=BEFORE_THE_AGENT), "agent"),
    ],
)
def test_what_has_lost_its_infrastructure_is_an_orphan(orphan: dict[str, Any], what: str) -> None:
    assert COMPOSE.lost(orphan) == what


@pytest.mark.parametrize(
    "other",
    [
        run(f"{DOCKER}:alive"),
        run("agent-2:17"),
        run("agent-2:17", since=BEFORE_THE_AGENT),  # the clock was put back meanwhile
        run("http+docker://localhost:gone"),  # behind another engine
        run("classroom-pc:17", since=BEFORE_THE_AGENT),
        run(None, since=BEFORE_THE_AGENT),  # by hand
        run(None, "PENDING", BEFORE_THE_AGENT, deployment_id=None),
        run(None, "PENDING", BEFORE_THE_AGENT, work_queue_name="mine"),
        run(None, "PENDING"),  # the agent has only just taken it
        run(None, "PENDING", BEFORE_THE_AGENT, id="run-1"),  # its container is there
    ],
)
def test_what_lives_or_is_not_ours_is_left_alone(other: dict[str, Any]) -> None:
    assert COMPOSE.lost(other) == ""


def test_without_an_agent_its_processes_are_gone() -> None:
    assert Surroundings(DOCKER, {}, "agent", None).lost(run("agent-2:17")) == "process"


def test_without_containers_processes_of_this_machine_are_looked_at() -> None:
    embedded, here = Surroundings("", None, "", None), socket.gethostname()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert embedded.lost(run(f"{here}:{os.getpid()}")) == ""
    assert embedded.lost(run(f"{here}:{ended.pid}")) == "process"
    assert embedded.lost(run(f"{DOCKER}:gone")) == ""


def test_only_what_is_an_orphan_at_every_look_is_swept() -> None:
    patience = Patience(20)
    assert patience.exhausted(["a", "b"], 0) == []
    assert patience.exhausted(["a"], 19) == []
    assert patience.exhausted(["a", "b"], 20) == ["a"]
    assert patience.exhausted(["b"], 41) == ["b"]


def test_containers_without_work_are_those_that_do_not_run_and_those_whose_run_has_ended() -> None:
    containers = {**CONTAINERS, "late": ("running", "run-4"), "nameless": ("running", "")}
    assert idle(containers, lambda run_id: run_id == "run-4") == ["ended", "unborn", "late"]


def test_the_agent_s_lock_tells_whether_it_lives_since_when_and_its_name(tmp_path: Path) -> None:
    lock = tmp_path / "agent.lock"
    assert agent.living(lock) is None
    program = f"from pathlib import Path; from orionbox import agent; agent.take(Path({str(lock)!r}), 'agent-1'); "
    command = [sys.executable, "-c", program + "import time; time.sleep(60)"]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SOURCE)}) as process:
        living = wait_for(lambda: agent.living(lock), "the lock", 10)
        assert NOW < living.since <= datetime.now(UTC)
        process.kill()
    assert agent.living(lock) is None


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
        sweeper.Sweeper(environment).look()


class Answers:
    """An API that knows its answers, and keeps what it was asked."""

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


def test_tables_for_loading_are_removed_when_their_run_has_ended_and_nobody_else_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended, alive, deleted = (str(uuid4()) for _ in range(3))
    names = {run_id: staging_tables.new_name("green", run_id) for run_id in (ended, alive, deleted, None)}
    tables = [*names.values(), "green_tripdata", "loading_dock"]
    environment = {"PREFECT_API_URL": "", "BIGQUERY_EMULATOR_HOST": "", "AGENT_LOCK": ""}
    subject: Any = sweeper.Sweeper(environment)
    subject.orion = Answers(**{ended: "CRASHED", alive: "RUNNING", deleted: ""})
    subject.dataset = Answers(tables=[{"tableReference": {"tableId": name}} for name in tables])
    subject.look_into_bigquery()
    assert subject.dataset.changed == [], "before that, the run itself may have its say"
    later = time.monotonic() + orphans.GRACE
    monkeypatch.setattr(time, "monotonic", lambda: later)
    subject.look_into_bigquery()
    assert subject.dataset.changed == [f"tables/{names[ended]}", f"tables/{names[deleted]}"]


def test_what_is_left_running_in_a_run_that_has_ended_is_crashed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks, flows = [{"id": "task", "flow_run_id": "parent"}], [{"id": "child"}]

    class Orion(Answers):
        def all(self, kind: str, **chosen: Any) -> list[dict[str, Any]]:
            if "parent_flow_run_id" in chosen.get("flow_runs", {}):
                return flows if chosen["flow_runs"]["parent_flow_run_id"] == {"any_": ["parent"]} else []
            of_one_run = chosen.get("flow_runs", {}).get("id")
            return tasks if kind == "task_runs" and of_one_run in (None, {"any_": ["parent"]}) else []

        def call(self, path: str, body: Any = None, method: str = "") -> Any:
            self.changed.append(f"{path} {body['state']['type']}")

    subject: Any = sweeper.Sweeper({"PREFECT_API_URL": "", "BIGQUERY_EMULATOR_HOST": "", "AGENT_LOCK": "lock"})
    subject.orion = Orion()
    subject.look()
    assert subject.orion.changed == [], "before that, the run itself may have its say"
    later = time.monotonic() + orphans.GRACE
    monkeypatch.setattr(time, "monotonic", lambda: later)
    subject.look()
    assert subject.orion.changed == ["flow_runs/child/set_state CRASHED", "task_runs/task/set_state CRASHED"]


def test_a_table_for_loading_tells_its_run() -> None:
    run_id = str(uuid4())
    assert staging_tables.run_of(staging_tables.new_name("yellow", run_id)) == run_id
    assert staging_tables.run_of(staging_tables.new_name("yellow", None)) == ""
    assert staging_tables.new_name("yellow", run_id) != staging_tables.new_name("yellow", run_id)
