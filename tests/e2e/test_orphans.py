"""The agent, a run's container, or both are killed while a run is under way: none of its runs is Running for ever."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Checkout, wait_for
from tests.slow import WITHIN, assert_swept, deploy, ends, started


@pytest.fixture(scope="module")
def slow(platform: Checkout) -> Iterator[Checkout]:
    """A flow that waits, deployed as container and as process; afterwards the agent runs again."""
    deploy(platform)
    yield platform
    platform.make("up")


@pytest.fixture
def agent(slow: Checkout) -> Iterator[str]:
    """The living agent's container."""
    slow.make("up")
    yield container(slow, "agent")


def container(platform: Checkout, service: str) -> str:
    return platform.run("docker", "compose", "ps", "--all", "--quiet", service).stdout.strip()


def kill(*containers: str) -> None:
    subprocess.run(["docker", "kill", *containers], check=True, capture_output=True)


def container_of(run: dict[str, Any]) -> str:
    return str(run["infrastructure_pid"]).rpartition(":")[2]


def exists(name: str) -> bool:
    return subprocess.run(["docker", "inspect", name], capture_output=True).returncode == 0


def test_a_container_whose_agent_is_killed_does_its_work_to_the_end(slow: Checkout, agent: str) -> None:
    run = started(slow, "slow/docker", seconds=40)
    kill(agent)
    ends(slow, run, "COMPLETED", 90)
    wait_for(lambda: not exists(container_of(run)), "the end of its container")


def test_a_run_whose_agent_and_container_are_killed_is_crashed(slow: Checkout, agent: str) -> None:
    run = started(slow, "slow/docker")
    kill(agent, container_of(run))
    assert_swept(slow, run, "container")
    assert not exists(container_of(run))


def test_a_process_whose_agent_is_killed_is_crashed(slow: Checkout, agent: str) -> None:
    run = started(slow, "slow/process")
    kill(agent)
    assert_swept(slow, run, "process")


def test_a_process_whose_agent_was_started_again_is_crashed_and_a_new_one_is_not(slow: Checkout, agent: str) -> None:
    run = started(slow, "slow/process")
    subprocess.run(["docker", "restart", "--time=0", agent], check=True, capture_output=True)
    new = started(slow, "slow/process", seconds=60)
    assert_swept(slow, run, "process")
    ends(slow, new, "COMPLETED", 120)


def test_a_container_that_never_started_is_removed(slow: Checkout, agent: str) -> None:
    project = slow.env["COMPOSE_PROJECT_NAME"]
    labels = ("--label", f"orionbox.project={project}", "--label", "orionbox.run=true")
    image = slow.run("docker", "inspect", "--format", "{{.Config.Image}}", agent).stdout.strip()
    name = slow.run("docker", "create", *labels, image, "true").stdout.strip()
    wait_for(lambda: not exists(name), "its removal", WITHIN)


def test_a_container_whose_run_has_ended_is_removed(slow: Checkout, agent: str) -> None:
    run = started(slow, "slow/docker")
    kill(agent)  # it would end the container itself
    slow.orion.call(f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLED"}, "force": True})
    wait_for(lambda: not exists(container_of(run)), "its removal", WITHIN)


def test_a_flow_that_runs_by_hand_is_left_alone(slow: Checkout, agent: str) -> None:
    kill(agent)
    program = "cd /workspace && python -c 'import slow; slow.slow(45)' 2>&1 | tail -1\n"
    assert "Finished in state Completed" in slow.make("shell", stdin=program)
