"""The main job on a Dask cluster: which workers run its tasks, and how it survives the loss of one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

import pytest

from orionbox.trips.months import TripFile
from tests.conftest import Checkout, wait_for
from tests.stores import query_bigquery, query_postgres

WINTER = ("COLOR=green", "YEAR=2021", "MONTHS=1,2")
WINTER_RUN = {"color": "green", "year": 2021, "months": [1, 2]}
FILES = [TripFile("green", 2021, 1), TripFile("green", 2021, 2)]
REAL_ROWS = [76_518, 64_572]
ON_DASK = ("TASK_RUNNER=dask", "WORKERS=2")
HELLO = """
from greeting import GREETING, where
from orionbox.prefect2.dask import ClusterTaskRunner
from prefect import flow, task

@task
def greet(number):
    return f"{GREETING} {number} from {where()}"

@flow(task_runner=ClusterTaskRunner())
def hello():
    return [future.result() for future in [greet.submit(number) for number in range(4)]]

if __name__ == "__main__":
    print(*hello(), sep="\\n")
"""
GREETING = """
import socket
GREETING = "{}"
def where():
    return socket.gethostname()
"""


def docker(*arguments: str) -> str:
    """Returns the output of `docker ARGUMENTS`, errors included."""
    command = ["docker", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout


def containers(platform: Checkout, service: str) -> list[str]:
    """Returns the ids of the service's running containers."""
    labels = {"project": platform.settings["COMPOSE_PROJECT_NAME"], "service": service}
    filters = [word for name, value in labels.items() for word in ("-f", f"label=com.docker.compose.{name}={value}")]
    return docker("ps", "--quiet", *filters).split()


def now() -> str:
    """The time as `docker logs --since` takes it."""
    return datetime.now(UTC).isoformat()


def rows_by_file(platform: Checkout) -> list[tuple[str, int]]:
    """Returns the rows of FILES in Postgres by file, after a check that BigQuery has the same."""
    files = ", ".join(f"'{trips.csv_name}'" for trips in FILES)
    sql = f"SELECT source_file, count(*) FROM {{}}green_tripdata WHERE source_file IN ({files}) GROUP BY 1 ORDER BY 1"
    in_postgres = query_postgres(platform.settings, sql.format(""))
    assert query_bigquery(platform.settings, sql.format("trips_data_all.")) == in_postgres
    return in_postgres


@pytest.fixture(scope="module")
def cluster(platform: Checkout) -> Iterator[Checkout]:
    """The platform with a scheduler and two workers; afterwards without."""
    output = platform.make("up", *ON_DASK)
    assert f"localhost:{platform.settings['DASK_PORT']}" in output
    assert len(containers(platform, "dask-worker")) == 2
    yield platform
    if containers(platform, "dask-scheduler"):  # a test has failed
        platform.make("up")


@dataclass
class Loaded:
    """A run of the main job on the cluster."""

    output: str
    report: dict[str, Any]
    worker_logs: list[str]


@pytest.fixture(scope="module")
def loaded(cluster: Checkout) -> Loaded:
    """The winter's months are loaded."""
    start = now()
    output = cluster.make("run-etl", *ON_DASK, *WINTER)
    logs = [docker("logs", "--since", start, worker) for worker in containers(cluster, "dask-worker")]
    return Loaded(output, cluster.report, logs)


@pytest.fixture(scope="module")
def expected(cluster: Checkout, loaded: Loaded, has_real_data: bool) -> list[tuple[str, int]]:
    """The rows of each file, from the files themselves; all of them are loaded."""
    rows = [cluster.rows_in(trips.csv_path) for trips in FILES]
    assert not has_real_data or rows == REAL_ROWS
    return [(trips.csv_name, count) for trips, count in zip(FILES, rows, strict=True)]


def test_both_warehouses_have_each_row_once(cluster: Checkout, expected: list[tuple[str, int]]) -> None:
    assert rows_by_file(cluster) == expected


def test_the_run_ends_with_a_table_and_a_report_as_on_threads(loaded: Loaded, expected: list[Any]) -> None:
    assert "etl/dask" in loaded.output and "total" in loaded.output
    assert loaded.report["state"] == "Completed"
    rows = [month["rows"] for month in loaded.report["months"]]
    stores = ("source", "parquet", "bigquery", "postgres")
    assert rows == [dict.fromkeys(stores, count) for _, count in expected]


def test_the_work_is_done_on_both_workers(loaded: Loaded) -> None:
    assert [log for log in loaded.worker_logs if "-> gs://" not in log] == [], "each has fetched one of the two months"
    assert len(loaded.worker_logs) == 2


def test_the_workers_share_no_folder_with_anyone(cluster: Checkout) -> None:
    for worker in json.loads(docker("inspect", *containers(cluster, "dask-worker"))):
        assert [mount["Destination"] for mount in worker["Mounts"] if mount["RW"]] == []
        assert worker["HostConfig"]["Memory"] > 0


def test_the_scheduler_s_pages_show_the_workers(cluster: Checkout) -> None:
    port = docker("port", *containers(cluster, "dask-scheduler"), "8787").strip().rpartition(":")
    assert port[0] == "127.0.0.1"
    with urlopen(f"http://localhost:{port[2]}/json/counts.json") as counts:
        assert json.load(counts)["workers"] == 2


def test_a_worker_that_is_killed_loses_nothing(cluster: Checkout, expected: list[tuple[str, int]]) -> None:
    victim, start = containers(cluster, "dask-worker")[0], now()
    run_id = cluster.orion.start_run("etl/dask", WINTER_RUN)
    wait_for(lambda: "Finished in state" in docker("logs", "--since", start, victim), "a result on that worker")
    docker("kill", victim)
    assert cluster.orion.run(run_id)["state_type"] == "RUNNING"
    run = cluster.end_of(run_id)
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert "Remove worker addr" in docker("logs", "--since", start, *containers(cluster, "dask-scheduler"))
    assert rows_by_file(cluster) == expected


def test_a_worker_that_dies_comes_back_by_itself(cluster: Checkout) -> None:
    victim = containers(cluster, "dask-worker")[0]
    end_process_of(victim)

    def is_back() -> bool:
        worker = json.loads(docker("inspect", victim))[0]
        return bool(worker["RestartCount"] == 1 and worker["State"]["Health"]["Status"] == "healthy")

    wait_for(is_back, "a healthy worker after a restart")


def end_process_of(container: str) -> None:
    """Kills the container's process, as a lack of memory does; Docker treats `docker kill` as a user's stop."""
    pid, image = docker("inspect", "--format", "{{.State.Pid}} {{.Config.Image}}", container).split()
    docker("run", "--rm", "--user=root", "--pid=host", image, "python", "-c", f"import os; os.kill({pid}, 9)")


def test_without_its_scheduler_a_run_fails_with_a_message_and_run_etl_brings_back_what_was_stopped(
    cluster: Checkout, expected: list[tuple[str, int]]
) -> None:
    start, workers = now(), containers(cluster, "dask-worker")
    run_id = cluster.orion.start_run("etl/dask", WINTER_RUN)
    wait_for(lambda: any("Task run" in docker("logs", "--since", start, worker) for worker in workers), "a first task")
    docker("kill", *containers(cluster, "dask-scheduler"))
    run = cluster.end_of(run_id)
    assert run["state_type"] in ("FAILED", "CRASHED")
    assert run["state"]["message"].count("is gone, and the run's tasks with it; start the run again") == 1
    docker("stop", "--time=0", workers[0])
    cluster.make("run-etl", *ON_DASK, *WINTER)
    assert len(containers(cluster, "dask-worker")) == 2
    assert rows_by_file(cluster) == expected


def test_workers_run_a_flow_as_it_was_edited_last(cluster: Checkout) -> None:
    (cluster.root / "workspace" / "hello_dask.py").write_text(HELLO)
    for word in ("hello", "goodbye"):
        (cluster.root / "workspace" / "greeting.py").write_text(GREETING.format(word))
        output = cluster.make("shell", stdin="python hello_dask.py\n")
        greetings = [line.split() for line in output.splitlines() if " from " in line and line.startswith(word)]
        assert [greeting[1] for greeting in greetings] == ["0", "1", "2", "3"], output
        hosts = {greeting[-1] for greeting in greetings}
        assert hosts <= {worker[:12] for worker in containers(cluster, "dask-worker")}


def test_up_without_a_cluster_removes_it_and_a_run_then_says_how_to_get_one(platform: Checkout) -> None:
    platform.make("up")
    assert not containers(platform, "dask-worker") and not containers(platform, "dask-scheduler")
    run = platform.finished_run("etl/dask", WINTER_RUN)
    assert run["state_type"] in ("FAILED", "CRASHED")
    assert "start the platform's with: make up TASK_RUNNER=dask" in run["state"]["message"]
