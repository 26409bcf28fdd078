"""A slow flow, for tests that kill its runs."""

from __future__ import annotations

import shlex
from functools import partial
from typing import Any

from tests.conftest import Checkout, wait_for

SLOW = """
import os
import time
from prefect import flow, task
from prefect.deployments import Deployment
from prefect.infrastructure.container import DockerContainer
from prefect.infrastructure.process import Process

@task
def wait(seconds: int):
    time.sleep(seconds)

@flow
def slow(seconds: int = 600):
    wait(seconds)

if __name__ == "__main__":
    for name, block in (("docker", DockerContainer.load("zoom")), ("process", Process.load("agent"))):
        Deployment.build_from_flow(
            slow, name, infrastructure=block, path=os.getcwd(), entrypoint="slow.py:slow", work_queue_name="default",
            apply=True,
        )
"""
TIMEOUT = 60
"""Seconds until a run must be in its state."""


def deploy(platform: Checkout) -> None:
    """Writes the flow into the workspace and deploys it as slow/docker and slow/process."""
    (platform.root / "workspace" / "slow.py").write_text(SLOW)
    folder = "/workspace" if platform.env["RUNTIME"] == "compose" else shlex.quote(f"{platform.root}/workspace")
    platform.make("shell", stdin=f"cd {folder} && python slow.py\n")


def start_run(platform: Checkout, deployment: str, seconds: int = 600) -> dict[str, Any]:
    """Starts a run; returns it when its task is running."""
    return start_runs(platform, (deployment, seconds))[0]


def start_runs(platform: Checkout, *runs: tuple[str, int]) -> list[dict[str, Any]]:
    """Starts runs of deployments that last so many seconds; returns them when the task of each is running."""
    ids = [platform.orion.start_run(deployment, {"seconds": seconds}) for deployment, seconds in runs]
    for run_id in ids:
        running = {"flow_runs": {"id": {"any_": [run_id]}}, "task_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
        wait_for(partial(platform.orion.call, "task_runs/filter", running), "the run's task", 90)
    return [platform.orion.run(run_id) for run_id in ids]


def wait_for_state(platform: Checkout, run: dict[str, Any], state: str, seconds: float = TIMEOUT) -> dict[str, Any]:
    """Waits until the run is in that state; returns it."""

    def probe() -> dict[str, Any] | None:
        now = platform.orion.run(run["id"])
        return now if now["state_type"] == state else None

    return wait_for(probe, f"{run['name']} {state}", seconds)


def assert_swept(platform: Checkout, run: dict[str, Any], what: str) -> None:
    ended = wait_for_state(platform, run, "CRASHED")
    assert f"Its {what} disappeared" in ended["state"]["message"] and "Start the run again" in ended["state"]["message"]
    chosen = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    assert {task["state_type"] for task in platform.orion.call("task_runs/filter", chosen)} == {"CRASHED"}
