"""The platform without Docker: it does its job, survives what happens to processes, and leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.bundle.checkout_copy import copy_of_the_tree
from cli.runtimes.embedded import variables as surroundings
from dev.throwaway_platform import plain_environment
from tests.conftest import Checkout, wait_for
from tests.stores import query_postgres

SERVICES = ("postgres", "gcs", "bigquery", "internet", "orion", "agent", "sweeper", "start")
GREEN = ("COLOR=green", "YEAR=2021", "MONTHS=1,2")
ROWS_OF_GREEN = 141_090
"""Of the real files."""


def folder(platform: Checkout) -> Path:
    """The platform's state."""
    return platform.root / ".embedded" / platform.env["COMPOSE_PROJECT_NAME"]


def process_of(platform: Checkout, service: str) -> int:
    """The service's process id: the keeper stands before it in the file."""
    noted = folder(platform) / "run" / f"{service}.lock"
    return wait_for(lambda: next((int(pid) for pid in noted.read_text().split()[1:]), None), f"the start of {service}")


def is_up(platform: Checkout) -> bool:
    return platform.run("make", "status").stdout.count("healthy") == len(SERVICES)


def processes(root: Path) -> list[str]:
    """What runs from a checkout; a process that only waits to be read off is none."""
    lines = subprocess.run(["ps", "-eo", "stat=,args="], capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if str(root) in line and not line.startswith("Z")]


def test_the_first_line_says_which_runtime_it_is_and_why(platform: Checkout) -> None:
    assert platform.make("status").splitlines()[0] == "runtime: embedded (RUNTIME=embedded)"
    found = platform.run("make", "status", RUNTIME="", DOCKER_HOST="unix:///nonexistent").stdout
    assert found.startswith(("runtime: embedded (no Docker engine answers)", "runtime: embedded (there is no docker"))
    assert "use one of compose, embedded" in platform.refuses("status", "RUNTIME=lambda")


def test_the_main_job_moves_every_row(platform: Checkout, has_real_data: bool) -> None:
    printed = platform.make("run-etl", *GREEN)
    rows = sum(platform.rows_in(f"green/green_tripdata_2021-{month:02}.csv.gz") for month in (1, 2))
    if has_real_data:
        assert rows == ROWS_OF_GREEN
    assert f"total {' '.join([f'{rows:,}'] * 4)}" in " ".join(printed.split())
    assert platform.report["runtime"] == "embedded"
    assert [month["source"] for month in platform.report["months"]] == ["import" if has_real_data else "synthetic"] * 2


def test_shell_and_psql_reach_the_platform(platform: Checkout) -> None:
    blocks = platform.make("shell", stdin="COLUMNS=200 prefect block ls")
    assert all(slug in blocks for slug in ("gcs-bucket/zoom-gcs", "gcp-credentials/zoom-gcp-creds"))
    assert "ny_taxi" in platform.make("psql", stdin="SELECT current_user")


def test_a_run_that_is_meant_for_a_container_fails_at_once(platform: Checkout) -> None:
    assert platform.finished_run("etl/docker", {"color": "green"})["state_type"] == "CRASHED"


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_process_is_started_again(platform: Checkout, service: str) -> None:
    killed = process_of(platform, service)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: process_of(platform, service) != killed and is_up(platform), f"{service} again")


def test_another_platform_gets_the_next_free_ports(platform: Checkout) -> None:
    other = Checkout(platform.root, {**platform.env, "COMPOSE_PROJECT_NAME": f"{platform.root.parent.name}-other"})
    try:
        printed = other.make("up")
        for name, port in platform.env.items():
            if name in surroundings.PORTS:
                assert f"{name}={port} is in use on this machine" in printed
        assert is_up(platform) and is_up(other)
    finally:
        other.make("reset")
    assert not folder(other).exists()
    assert is_up(platform)


def test_down_leaves_no_process_and_the_next_up_finds_the_data(platform: Checkout) -> None:
    query_postgres(platform.settings, "CREATE TABLE kept AS SELECT 7 AS lucky; SELECT 1")
    platform.make("down")
    assert processes(platform.root) == []
    pretend_that_orion_runs(platform)
    assert "orion          not running" in platform.make("status")
    platform.make("up")
    assert query_postgres(platform.settings, "SELECT lucky FROM kept") == [(7,)]
    assert is_up(platform)


def pretend_that_orion_runs(platform: Checkout) -> None:
    """Leaves a pid file as after a crash; the process id in it belongs to someone else by now."""
    (folder(platform) / "run" / "orion.lock").write_text(f"{os.getpid()} {os.getpid()}")


def test_a_half_made_environment_is_made_again(platform: Checkout) -> None:
    environment = platform.root / ".embedded" / "uv"
    (environment / ".complete").unlink()
    (environment / "bin" / "uv").write_text("half a program")
    assert "environment .embedded/uv: made in" in platform.make("status", "up")
    assert (environment / ".complete").is_file()


def test_two_commands_at_once_wait_for_each_other(platform: Checkout) -> None:
    with (platform.root / ".embedded" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        up = subprocess.Popen(["make", "up"], cwd=platform.root, env={**plain_environment(), **platform.env})
        with pytest.raises(subprocess.TimeoutExpired):
            up.wait(3)
    assert up.wait(120) == 0


def test_without_python_3_13_it_says_how_to_get_one_before_anything_starts(checkout: Checkout) -> None:
    checkout.env.update(RUNTIME="embedded", PATH="/usr/bin:/bin", PYENV_ROOT="/nonexistent", HOME=str(checkout.root))
    done = checkout.run("make", "up")
    if done.returncode == 0:  # pragma: no cover
        checkout.make("reset")
        pytest.skip("this system's own Python is 3.13")
    assert "needs Python 3.13" in done.stdout and "uv' python install 3.13" in done.stdout
    assert processes(checkout.root) == []


@pytest.fixture
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A normal user of this machine, for this test only."""
    if os.geteuid():
        pytest.skip("all tests run as a normal user here")
    name = f"orionbox-{uuid.uuid4().hex[:8]}"
    subprocess.run(["useradd", "--no-create-home", name], check=True)
    yield name
    subprocess.run(["userdel", name], check=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="orionbox-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def python_for_all(platform: Checkout, folder: Path) -> dict[str, str]:
    """The variables that lead to the platform's Python 3.13: to a copy, for it may be below /root."""
    config = (platform.root / ".embedded/bigquery/pyvenv.cfg").read_text()
    prefix = Path(dict(line.split(" = ") for line in config.splitlines())["home"]).parent
    if prefix != Path("/usr"):
        shutil.copytree(prefix, folder / "python", symlinks=True, ignore=shutil.ignore_patterns("test", "*.a"))
        prefix = folder / "python"
    return {"PATH": f"{prefix}/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": f"{prefix}/lib", "PYENV_ROOT": "/nonexistent"}


def test_it_runs_as_a_normal_user_and_writes_nothing_elsewhere(
    platform: Checkout, user: str, open_folder: Path, has_real_data: bool
) -> None:
    variables = {**platform.env, **python_for_all(platform, open_folder), "HOME": str(open_folder / "home")}
    theirs = Checkout(copy_of_the_tree(open_folder / "orion box"), variables)
    shutil.copytree(platform.root / "data/green", theirs.root / "data/green")
    (open_folder / "home").mkdir()
    for folder in ("home", "orion box"):
        subprocess.run(["chown", "--recursive", user, open_folder / folder], check=True)
    make = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "make")
    try:
        printed = theirs.run(*make, "run-etl", *GREEN).stdout
        assert "Completed after" in printed, printed
        assert theirs.report["runtime"] == "embedded"
    finally:
        done = theirs.run(*make, "down")
    assert done.returncode == 0, done.stdout
    assert processes(theirs.root) == []
    found = subprocess.run(["find", "/", "-xdev", "-user", user, "-type", "f"], capture_output=True, text=True).stdout
    assert [path for path in found.splitlines() if not path.startswith((str(open_folder), "/proc"))] == []
