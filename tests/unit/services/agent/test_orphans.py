"""Which runs and containers are orphans, and which are not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.agent.lock import RunningAgent
from services.agent.orphans import Container, Infrastructure, Watchlist, idle_containers

NOW = datetime.now(UTC)
DOCKER = "http://docker-proxy:2375"
CONTAINERS = {
    "running": Container("running", "run-1"),
    "ended": Container("exited", "run-2"),
    "unstarted": Container("created", "run-3"),
}
AGENT = RunningAgent(NOW - timedelta(hours=1), "agent-2")
COMPOSE = Infrastructure(DOCKER, CONTAINERS, "agent", AGENT)


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
    ("orphan", "missing"),
    [
        (run(f"{DOCKER}:gone"), "container"),
        (run(f"{DOCKER}:ended"), "container"),
        (run(f"{DOCKER}:unstarted", "PENDING"), "container"),
        (run("agent-1:17"), "process"),
        (run("agent-1:17", "CANCELLING"), "process"),
        (run(None, "PENDING", since=BEFORE_THE_AGENT), "agent"),
    ],
)
def test_a_run_that_has_lost_its_infrastructure_is_an_orphan(orphan: dict[str, Any], missing: str) -> None:
    assert COMPOSE.lost_infrastructure(orphan) == missing


@pytest.mark.parametrize(
    "other",
    [
        run(f"{DOCKER}:running"),
        run("agent-2:17"),
        run("agent-2:17", since=BEFORE_THE_AGENT),  # the clock was set back meanwhile
        run("http+docker://localhost:gone"),  # behind another engine
        run("classroom-pc:17", since=BEFORE_THE_AGENT),
        run(None, since=BEFORE_THE_AGENT),  # by hand
        run(None, "PENDING", BEFORE_THE_AGENT, deployment_id=None),
        run(None, "PENDING", BEFORE_THE_AGENT, work_queue_name="mine"),
        run(None, "PENDING"),  # the agent has only just taken it
        run(None, "PENDING", BEFORE_THE_AGENT, id="run-1"),  # its container is there
    ],
)
def test_a_run_that_works_or_is_not_ours_is_left_alone(other: dict[str, Any]) -> None:
    assert COMPOSE.lost_infrastructure(other) == ""


def test_without_an_agent_its_processes_are_gone() -> None:
    assert Infrastructure(DOCKER, {}, "agent", None).lost_infrastructure(run("agent-2:17")) == "process"


def test_without_containers_processes_of_this_machine_are_looked_at() -> None:
    embedded, here = Infrastructure("", None, "", None), socket.gethostname()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert embedded.lost_infrastructure(run(f"{here}:{os.getpid()}")) == ""
    assert embedded.lost_infrastructure(run(f"{here}:{ended.pid}")) == "process"
    assert embedded.lost_infrastructure(run(f"{DOCKER}:gone")) == ""
    for written_by_somebody in ("abc", "", "9" * 30, "-1.5"):
        assert embedded.lost_infrastructure(run(f"{here}:{written_by_somebody}")) == "process"


def test_only_an_orphan_in_every_sweep_is_removed() -> None:
    watchlist = Watchlist(20)
    assert watchlist.update(["a", "b"], 0) == []
    assert watchlist.update(["a"], 19) == []
    assert watchlist.update(["a", "b"], 20) == ["a"]
    assert watchlist.update(["b"], 41) == ["b"]


def test_containers_without_work_are_those_that_do_not_run_and_those_whose_run_has_ended() -> None:
    containers = {**CONTAINERS, "late": Container("running", "run-4"), "unlabelled": Container("running", "")}
    assert idle_containers(containers, lambda run_id: run_id == "run-4") == ["ended", "unstarted", "late"]
