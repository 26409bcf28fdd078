"""A platform cut off from the outside, and students' repositories on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.bundle.checkout_copy import copy_checkout
from cli.runtimes import ownership
from dev.throwaway_platform import identity
from orionbox.orion.states import ENDED
from tests.conftest import REAL_DATA, Checkout, reset_at_the_end, wait_for
from tests.e2e.course.leaks import Leaks

HERE = Path(__file__).parent
REPOSITORIES = HERE / "repositories"


class CutOff(Checkout):
    """A platform as it is by default, with INTERNET=offline: nothing leaves its networks."""

    def completed(self, flow_run_id: str, seconds: float = 300) -> dict[str, Any]:
        """Waits for the run's end; returns the run, which must have completed."""

        def probe() -> dict[str, Any] | None:
            run = self.orion.run(flow_run_id)
            return run if run["state_type"] in ENDED else None

        run = wait_for(probe, f"the end of run {flow_run_id}", seconds)
        assert run["state_type"] == "COMPLETED", (run["state"], self.log(flow_run_id))
        return run

    def log(self, flow_run_id: str) -> str:
        """Returns the run's log."""
        return "\n".join(message for _, _, message in self.orion.logs(flow_run_id, set()))


@pytest.fixture(scope="package")
def cut_off(engine: None, has_real_data: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CutOff]:
    """A running platform with its own name and data, students' repositories in its workspace."""
    root = copy_checkout(tmp_path_factory.mktemp("cut-off") / "orionbox")
    shutil.copytree(REPOSITORIES, root / "workspace", dirs_exist_ok=True)
    shutil.copy(HERE / "cut_off.yaml", root / "compose.override.yaml")
    # The months that it generates are small: the course writes them with pandas
    platform = CutOff(root, {**identity("cut-off"), "GENERATED_ROWS": "40000"})
    with reset_at_the_end(platform):
        platform.build()
        if has_real_data:
            platform.make("data", f"FROM={REAL_DATA}")
        for color in ("yellow", "green"):
            platform.make("data", f"COLOR={color}", "YEAR=2021", "MONTHS=1,2")
        publish(root / "workspace" / "tips", root / "data" / "git" / "ada" / "tips")
        platform.make("up")
        yield platform


@pytest.fixture(scope="package")
def leaks(cut_off: CutOff) -> Iterator[Leaks]:
    """Packets that left the platform since the first test; at its end there must be none."""
    if os.geteuid() != 0:
        pytest.skip("only root may watch the network for packets that leave it")
    services = cut_off.run("docker", "compose", "--profile", "*", "config", "--services").stdout.split()
    name = cut_off.env["COMPOSE_PROJECT_NAME"]
    leaks = Leaks([name, *(f"{name}_{network}" for network in ownership.NETWORKS)], services)
    yield leaks
    leaks.close()
    assert leaks.seen == set()


@pytest.fixture(autouse=True)
def watch_for_leaks(request: pytest.FixtureRequest) -> None:
    """Watches all tests, if the system allows it."""
    if os.geteuid() == 0 and "cut_off" in request.fixturenames:
        request.getfixturevalue("leaks")


def publish(folder: Path, repository: Path) -> None:
    """Creates a git repository of a folder's files."""
    shutil.copytree(folder, repository)
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "homework"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
