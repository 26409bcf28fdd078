"""`run-etl` and `ingest` from the start of the run to its report, with an Orion and a start page that are fakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import taxi_files
from cli.runs import follow, run
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError
from orionbox.orion.names import FLOWS_FOLDERS, TAG
from orionbox.trips.months import TripFile
from tests.unit.fake_api import FakeApi, close_connection, raw_answer

CREATED, ENDED = "2026-11-20T17:31:20+00:00", "2026-11-20T17:31:27.500000+00:00"
MONTH = {"color": "green", "year": 2021, "month": 1, "source": "excerpt"} | {
    f"rows.{store}": 10 for store in ("source", "parquet", "bigquery", "postgres")
}
FILES = [TripFile("green", 2021, 1)]


class FakePlatform:
    """A runtime whose Orion and start page are one fake API."""

    name = "compose"
    infrastructure = "docker"

    def __init__(self, api: FakeApi, **settings: str) -> None:
        port = api.url.rpartition(":")[2]
        values = {"ORION_PORT": port, "START_PORT": port, "TASK_RUNNER": "threads", "CLOUD": "emulators"}
        self.settings = Settings({**values, "GCP_PROJECT": "local", **settings})

    def prepare(self) -> None:
        """It is prepared."""

    def require_own(self) -> None:
        """It is this checkout's."""

    def ensure_up(self) -> None:
        """It is running."""


class OneRun:
    """Orion's answers about one run of any deployment."""

    state = SimpleNamespace(type="COMPLETED", message="")
    is_paused = False

    def __call__(self, path: str, body: Any) -> Any:
        if path.startswith("/reports/"):
            return "the page"
        if "artifacts" in path:
            return [{"data": json.dumps([MONTH])}]
        if "/name/" in path:
            return {"id": "deployment", "tags": [TAG], "path": FLOWS_FOLDERS[0], "storage_document_id": None}
        if path.endswith("/queues/filter"):
            return [{"name": "default", "is_paused": self.is_paused, "concurrency_limit": None}]
        if path.endswith("/filter"):
            return []
        if "/work_pools/" in path:
            return {"is_paused": False, "concurrency_limit": None}
        state = {"state_type": self.state.type, "state_name": self.state.type.capitalize()}
        return {
            "id": "01234567-x",
            "name": "Big Dog",
            "created": CREATED,
            "end_time": ENDED,
            "state": vars(self.state),
            **state,
        }


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeApi]:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0)
    monkeypatch.setattr(run, "REPORTS", tmp_path)
    monkeypatch.setattr(taxi_files, "ensure", lambda files, runtime, force: None)
    with FakeApi(route=OneRun()).serving() as api:
        yield api


def test_the_main_job_ends_with_its_counts_a_report_and_a_page(
    api: FakeApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.run_etl(FILES, FakePlatform(api)) == 0  # type: ignore[arg-type]  # what a run needs of a runtime
    report = json.loads((tmp_path / "last-run.json").read_text())
    site = f"http://localhost:{api.url.rpartition(':')[2]}"
    assert report["months"][0]["rows"] == {"source": 10, "parquet": 10, "bigquery": 10, "postgres": 10}
    assert (report["runtime"], report["cloud"], report["state"]) == ("compose", "emulators", "Completed")
    assert report["seconds"] == 7.5, "from the run's creation to its end, as its log counts"
    assert report["url"] == f"{site}/flow-runs/flow-run/01234567-x"
    assert (tmp_path / "big-dog-01234567.html").read_text() == '"the page"'
    printed = capsys.readouterr().out
    assert "green 2021-01" in printed and "127.0.0.1" not in printed, "links are for the user's browser"
    assert printed.count("not real: green 2021-01 is an excerpt (10 rows)") == 1
    assert f"report: reports/big-dog-01234567.html, {site}/reports/big-dog-01234567.html" in printed


def test_a_download_comes_before_the_platform_is_checked(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(taxi_files, "ensure", lambda files, runtime, force: steps.append("files"))
    monkeypatch.setattr(FakePlatform, "ensure_up", lambda self: steps.append(f"checked, {len(api.requests)} requests"))
    run.run_etl(FILES, FakePlatform(api))  # type: ignore[arg-type]
    assert steps == ["files", "checked, 0 requests"]


def test_nothing_is_downloaded_for_a_platform_of_another_checkout(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise BadInputError("platform orionbox on this engine belongs to /home/ada")

    monkeypatch.setattr(FakePlatform, "require_own", refuse)
    monkeypatch.setattr(taxi_files, "ensure", lambda files, runtime, force: pytest.fail("it must be refused first"))
    with pytest.raises(BadInputError, match="belongs to"):
        run.run_etl(FILES, FakePlatform(api))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "deployment"), [({}, "etl/docker"), ({"TASK_RUNNER": "dask"}, "etl/dask")], ids=["threads", "dask"]
)
def test_the_task_runner_chooses_the_deployment(api: FakeApi, settings: dict[str, str], deployment: str) -> None:
    run.run_etl(FILES, FakePlatform(api, **settings))  # type: ignore[arg-type]
    assert api.requests[0][1] == f"/api/deployments/name/{deployment}"
    (sent,) = (sent for _, path, sent in api.requests if path.endswith("/create_flow_run"))
    assert sent["parameters"] == {"color": "green", "year": 2021, "months": [1]}


def test_no_run_is_started_while_its_queue_is_paused(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OneRun, "is_paused", True)
    with pytest.raises(CommandError, match="queue default is paused; resume it in make shell: prefect work-queue"):
        run.run_etl(FILES, FakePlatform(api))  # type: ignore[arg-type]
    assert not [path for _, path, _ in api.requests if path.endswith("/create_flow_run")]


def test_a_run_replaces_real_data_only_if_it_is_forced(api: FakeApi) -> None:
    run.ingest(FILES, FakePlatform(api), force=True)  # type: ignore[arg-type]
    (sent,) = (sent for _, path, sent in api.requests if path.endswith("/create_flow_run"))
    assert sent["parameters"] == {"color": "green", "year": 2021, "months": [1], "force": True}


def test_ingest_uses_the_runtime_s_infrastructure(api: FakeApi) -> None:
    assert run.ingest(FILES, FakePlatform(api, TASK_RUNNER="dask")) == 0  # type: ignore[arg-type]
    assert api.requests[0][1] == "/api/deployments/name/ingest-data/docker"


def test_a_run_that_failed_is_an_error_with_its_own_message(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "Flow run encountered an exception. IncompleteRunError: green_tripdata_2021-01.csv.gz: line 3"
    monkeypatch.setattr(OneRun, "state", SimpleNamespace(type="FAILED", message=message))
    with pytest.raises(CommandError) as caught:
        run.ingest(FILES, FakePlatform(api))  # type: ignore[arg-type]
    assert caught.value.text == "green_tripdata_2021-01.csv.gz: line 3"


@pytest.mark.parametrize("answer", [raw_answer(b"no", 503), close_connection, raw_answer(b"<html>", length=100)])
def test_a_page_that_cannot_be_had_changes_nothing_of_the_result(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: Any
) -> None:
    start = FakeApi(answers=[answer])
    with start.serving():
        platform = FakePlatform(api, START_PORT=start.url.rpartition(":")[2])
        assert run.run_etl(FILES, platform) == 0  # type: ignore[arg-type]
    assert "report: failed" in capsys.readouterr().out
