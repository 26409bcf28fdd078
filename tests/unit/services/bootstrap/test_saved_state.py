"""What makes the bootstrap run its steps again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orionbox.trips.months import COLORS
from services.bootstrap import saved_state
from tests.unit.fake_api import FakeApi, json_answer

PROJECT = "bigquery/v2/projects/orionbox-local/datasets"


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the flows, in a process with the variables of a bootstrap."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "etl.py").write_text("1")
    (tmp_path / "key.json").write_text("{}")
    monkeypatch.setenv("FLOWS_FOLDER", str(tmp_path / "flows"))
    monkeypatch.setenv("GCP_KEY_FILE", str(tmp_path / "key.json"))
    return tmp_path / "flows"


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "a flow": lambda flows, env: (flows / "etl.py").write_text("2"),
    "a new flow": lambda flows, env: (flows / "more.py").write_text(""),
    "the key": lambda flows, env: (flows.parent / "key.json").write_text('{"private_key": ""}'),
    "a setting": lambda flows, env: env.setenv("RUN_IMAGE", "orionbox/flows:7"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_steps_run_again_after_a_change(flows: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    before = saved_state.inputs()
    CHANGES[change](flows, monkeypatch)
    assert saved_state.inputs() != before


def test_the_steps_do_not_run_again_in_the_next_container(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved_state.inputs()
    monkeypatch.setenv("HOSTNAME", "another")
    assert saved_state.inputs() == before


def test_the_code_that_counts_is_the_bootstrap_s_and_the_package_s() -> None:
    names = {path.name for path in saved_state.code_files()}
    assert {"blocks.py", "deployments.py", "old_names.py", "schema.py"} <= names


# --- what it looks for in the services ---


class Services:
    """Orion's and the emulators' answers, and whether Postgres has its tables."""

    def __init__(self) -> None:
        self.blocks = [{"id": "block-1", "updated": "2026-01-01"}, {"id": "block-2", "updated": "2026-01-01"}]
        self.types = [{"id": "type-1", "slug": "gcs-bucket"}]
        self.deployments = [{"id": "deployment-1", "path": "/flows", "last_polled": "12:00"}]
        self.stored = {"storage/v1/b/prefect-de-zoomcamp", f"{PROJECT}/dezoomcamp"}
        self.stored |= {f"{PROJECT}/trips_data_all/tables/{color}_tripdata" for color in COLORS}
        self.has_tables = True

    def answer(self, path: str, body: Any) -> Any:
        """Returns what the service behind that path says."""
        lists = {"block_documents": self.blocks, "block_types": self.types, "deployments": self.deployments}
        for name, found in lists.items():
            if path == f"/api/{name}/filter":
                return found
        return {"id": path} if path[1:] in self.stored else json_answer({}, status=404)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """The services of a platform after its first bootstrap."""
    services = Services()
    with FakeApi(route=services.answer).serving() as api:
        for name in ("PREFECT_API_URL", "STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"):
            monkeypatch.setenv(name, api.url)
        for name in ("CLOUD", "GCP_PROJECT", "GCP_BUCKET", "BIGQUERY_DATASET"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(saved_state, "warehouse_has_tables", lambda: services.has_tables)
        yield services


@pytest.fixture
def saved(services: Services, tmp_path: Path) -> Path:
    """The state that the first bootstrap saved, with the inputs "A"."""
    saved_state.save_state(tmp_path / "ready.json", "A")
    return tmp_path / "ready.json"


def lose_block(services: Services) -> None:
    del services.blocks[0]


def lose_block_type(services: Services) -> None:
    services.types.clear()


def lose_deployment(services: Services) -> None:
    services.deployments.clear()


def change_deployment(services: Services) -> None:
    services.deployments[0]["path"] = "/elsewhere"


def lose_bucket(services: Services) -> None:
    services.stored.remove("storage/v1/b/prefect-de-zoomcamp")


def lose_dataset(services: Services) -> None:
    services.stored.remove(f"{PROJECT}/dezoomcamp")


def lose_table_in_bigquery(services: Services) -> None:
    services.stored.remove(f"{PROJECT}/trips_data_all/tables/green_tripdata")


def lose_table_in_postgres(services: Services) -> None:
    services.has_tables = False


LOSSES = (
    lose_block,
    lose_block_type,
    lose_deployment,
    change_deployment,
    lose_bucket,
    lose_dataset,
    lose_table_in_bigquery,
    lose_table_in_postgres,
)


def test_it_waits_for_each_service_as_long_as_it_takes_and_prints_each_reason_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(saved_state, "PAUSE", 0)
    monkeypatch.delenv("CLOUD", raising=False)
    late = [json_answer({}, status=503)] * 99 + [json_answer({"error": "locked"}, status=400)]
    with FakeApi(late).serving() as api:
        for name in ("PREFECT_API_URL", "STORAGE_EMULATOR_HOST", "BIGQUERY_EMULATOR_HOST"):
            monkeypatch.setenv(name, api.url)
        saved_state.wait_for_services()
    assert len(api.requests) == 100 + 3
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and "503" in said[0] and "400" in said[1]
    assert all(line.startswith("waiting: Orion ") for line in said)


def test_nothing_has_changed_after_the_bootstrap(saved: Path) -> None:
    assert saved_state.is_unchanged(saved, "A")


@pytest.mark.parametrize("lose", LOSSES)
def test_each_loss_is_found(services: Services, saved: Path, lose: Callable[[Services], None]) -> None:
    lose(services)
    assert not saved_state.is_unchanged(saved, "A")


def test_additions_by_students_and_fields_that_orion_updates_are_ignored(services: Services, saved: Path) -> None:
    services.blocks.append({"id": "own-block", "updated": "2026-02-02"})
    services.deployments.append({"id": "own-deployment", "path": "/workspace"})
    services.deployments[0]["last_polled"] = "13:00"
    assert saved_state.is_unchanged(saved, "A")


def test_other_inputs_are_a_change(saved: Path) -> None:
    assert not saved_state.is_unchanged(saved, "B")


def test_a_missing_or_damaged_saved_state_is_a_change(saved: Path) -> None:
    assert not saved_state.is_unchanged(saved.with_name("none.json"), "A")
    saved.write_text("{")
    assert not saved_state.is_unchanged(saved, "A")
