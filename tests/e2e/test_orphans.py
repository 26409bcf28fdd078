"""The agent, a run's container, or both are killed during runs: none of the runs is stuck in Running."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import Checkout, wait_for
from tests.slow import TIMEOUT, assert_swept, deploy, start_run, start_runs, wait_for_state

BY_HAND = "cd /workspace && python -c 'import slow; slow.slow(30)' 2>&1 | tail -1\n"
"""Longer than the sweeper waits."""


@dataclass
class Killed:
    """A platform whose agent was killed, and the runs that it had started."""

    platform: Checkout
    working: dict[str, Any]
    """A run in a container that still works."""
    container: dict[str, Any]
    """A run whose container was killed, too."""
    process: dict[str, Any]
    """A run in the agent's own container."""
    cancelled: dict[str, Any]
    """A run that was cancelled when no agent could end its container."""
    never_started: str
    """A run's container that was made and not started."""
    by_hand: str
    """What a flow printed that somebody ran in the shell meanwhile."""


@pytest.fixture(scope="module")
def slow(platform: Checkout) -> Iterator[Checkout]:
    """A flow that waits, deployed as container and as process; afterwards the agent runs again."""
    deploy(platform)
    yield platform
    if not container(platform, "agent", "--status=running"):  # a test has failed
        platform.make("up")


@pytest.fixture(scope="module")
def killed(slow: Checkout) -> Killed:
    """The agent is killed once for all tests, as the sweeper needs half a minute."""
    agent = container(slow, "agent")
    runs = (("slow/process", 600), ("slow/docker", 45), ("slow/docker", 600), ("slow/docker", 600))
    process, working, *others = start_runs(slow, *runs)
    kill(agent, container_of(others[0]))
    cancelled = {"state": {"type": "CANCELLED"}, "force": True}
    slow.orion.call(f"flow_runs/{others[1]['id']}/set_state", cancelled)
    never_started = new_container(slow, agent)
    # `make shell` would start the agent again
    by_hand = slow.run("docker", "compose", "run", "--rm", "--no-TTY", "flows", stdin=BY_HAND).stdout
    return Killed(slow, working, others[0], process, others[1], never_started, by_hand)


def new_container(platform: Checkout, agent: str) -> str:
    labels = ("--label", f"orionbox.project={platform.env['COMPOSE_PROJECT_NAME']}", "--label", "orionbox.run=true")
    image = platform.run("docker", "inspect", "--format", "{{.Config.Image}}", agent).stdout.strip()
    return platform.run("docker", "create", *labels, image, "true").stdout.strip()


def container(platform: Checkout, service: str, *options: str) -> str:
    return platform.run("docker", "compose", "ps", "--all", "--quiet", *options, service).stdout.strip()


def kill(*containers: str) -> None:
    subprocess.run(["docker", "kill", *containers], check=True, capture_output=True)


def container_of(run: dict[str, Any]) -> str:
    return str(run["infrastructure_pid"]).rpartition(":")[2]


def exists(name: str) -> bool:
    return subprocess.run(["docker", "inspect", name], capture_output=True).returncode == 0


def test_a_container_whose_agent_is_killed_does_its_work_to_the_end(killed: Killed) -> None:
    wait_for_state(killed.platform, killed.working, "COMPLETED", 90)
    wait_for(lambda: not exists(container_of(killed.working)), "the end of its container")


def test_a_run_whose_agent_and_container_are_killed_is_crashed(killed: Killed) -> None:
    assert_swept(killed.platform, killed.container, "container")
    assert not exists(container_of(killed.container))


def test_a_process_whose_agent_is_killed_is_crashed(killed: Killed) -> None:
    assert_swept(killed.platform, killed.process, "process")


def test_a_container_that_never_started_is_removed(killed: Killed) -> None:
    wait_for(lambda: not exists(killed.never_started), "its removal", TIMEOUT)


def test_a_container_whose_run_has_ended_is_removed(killed: Killed) -> None:
    wait_for(lambda: not exists(container_of(killed.cancelled)), "its removal", TIMEOUT)


def test_a_flow_that_runs_by_hand_is_left_alone(killed: Killed) -> None:
    assert "Finished in state Completed" in killed.by_hand


def test_a_process_whose_agent_was_started_again_is_crashed_and_a_new_one_is_not(slow: Checkout) -> None:
    slow.make("up")
    run = start_run(slow, "slow/process")
    subprocess.run(["docker", "restart", "--time=0", container(slow, "agent")], check=True, capture_output=True)
    new = start_run(slow, "slow/process", seconds=30)
    assert_swept(slow, run, "process")
    wait_for_state(slow, new, "COMPLETED", 120)
