"""What start.sh checks before it starts Postgres, with programs that only say how they were called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

POSTGRES = """#!/bin/sh
case "$1" in
    --version) echo "postgres (PostgreSQL) 16.14 (Debian 16.14-1)" ;;
    --single) echo "pid file: $(head -n 1 "$PGDATA/postmaster.pid" 2>/dev/null), parent: $PPID" >&2 ;;
    *) echo "started" ;;
esac
"""


class Cluster:
    """A data folder that exists, and a `postgres` that is found first."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.data = folder / "bin", folder / "my data"
        for each in (self.programs, self.data):
            each.mkdir()
        (self.programs / "postgres").write_text(POSTGRES)
        (self.programs / "postgres").chmod(0o755)
        (self.data / "PG_VERSION").write_text("16\n")

    def start(self) -> subprocess.CompletedProcess[str]:
        """Runs start.sh."""
        variables = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "PGDATA": str(self.data),
            "ORION_DB_PASSWORD": "a",
            "WAREHOUSE_DB_PASSWORD": "b",
        }
        command = ["sh", str(ROOT / "infra/postgres/start.sh")]
        return subprocess.run(command, env=variables, capture_output=True, text=True)

    def write_pid(self, number: int) -> Path:
        """Leaves a file as after a crash."""
        file = self.data / "postmaster.pid"
        file.write_text(f"{number}\n{self.data}\n1795714894\n5432\n")
        return file


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


@pytest.fixture
def process(cluster: Cluster) -> Iterator[subprocess.Popen[str]]:
    """A program that has nothing to do with Postgres, but has the id in the file by now."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate("\n")


@pytest.fixture
def server(cluster: Cluster) -> Iterator[subprocess.Popen[str]]:
    """A program in the data folder, as a server of it is."""
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, cwd=cluster.data, stdin=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate("\n")


def test_it_starts_postgres(cluster: Cluster) -> None:
    done = cluster.start()
    assert (done.returncode, done.stdout) == (0, "started\n")


@pytest.mark.parametrize("version", ["15", "9.6", "17"])
def test_it_refuses_data_of_another_major_version_before_postgres_is_started(cluster: Cluster, version: str) -> None:
    (cluster.data / "PG_VERSION").write_text(f"{version}\n")
    done = cluster.start()
    said = f"the data in {cluster.data} was written by PostgreSQL {version}, and this is PostgreSQL 16\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_the_id_of_a_program_that_is_no_server_of_this_folder_is_replaced_by_the_parent_s(
    cluster: Cluster, process: subprocess.Popen[str]
) -> None:
    file = cluster.write_pid(process.pid)
    done = cluster.start()
    assert f"replaced a stale postmaster.pid, which named process {process.pid}\n" in done.stdout
    own = file.read_text().splitlines()[0]
    assert f"pid file: {own}, parent: {own}\n" in done.stderr, "PostgreSQL accepts the id of its parent"
    assert file.read_text().splitlines()[1:] == [str(cluster.data), "1795714894", "5432"]


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="this system has no /proc")
def test_the_id_of_a_server_of_this_folder_stays(cluster: Cluster, server: subprocess.Popen[str]) -> None:
    file = cluster.write_pid(server.pid)
    assert "stale" not in cluster.start().stdout
    assert file.read_text().startswith(f"{server.pid}\n")


def test_a_single_user_server_that_crashed_left_a_negative_id(cluster: Cluster, process: subprocess.Popen[str]) -> None:
    file = cluster.write_pid(-process.pid)
    cluster.start()
    assert not file.read_text().startswith(f"-{process.pid}\n")
