"""What has become of a BigQuery job, while its store has no room."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class FullError(Exception):
    """What DuckDB raises."""


class Store:
    """The emulator's, on a disk that can be full."""

    def __init__(self) -> None:
        self.jobs: dict[tuple[str, str], Any] = {}
        self.full = False

    def save(self, job: Any) -> Any:
        if self.full:
            raise FullError("No space left on device")
        self.jobs[job.jobReference.projectId, job.jobReference.jobId] = job
        return job

    def load(self, project_id: str, job_id: str) -> Any:
        return self.jobs.get((project_id, job_id))


def job(name: str, state: str) -> SimpleNamespace:
    return SimpleNamespace(jobReference=SimpleNamespace(projectId="p", jobId=name), state=state)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch, store: Store) -> Any:
    duckdb = ModuleType("duckdb")
    duckdb.__dict__["Error"] = FullError
    monkeypatch.setitem(sys.modules, "duckdb", duckdb)
    monkeypatch.delitem(sys.modules, "services.bigquery.job_results", raising=False)
    return importlib.import_module("services.bigquery.job_results").Outcomes(store.save, store.load)


def test_an_outcome_is_told_though_it_cannot_be_written(outcomes: Any, store: Store) -> None:
    outcomes.save(job("a", "RUNNING"))
    store.full = True
    assert outcomes.save(job("a", "DONE")).state == "DONE"
    assert (outcomes.load("p", "a").state, store.load("p", "a").state) == ("DONE", "RUNNING")


def test_what_had_to_wait_is_written_with_the_next_job(outcomes: Any, store: Store) -> None:
    store.full = True
    outcomes.save(job("a", "DONE"))
    store.full = False
    outcomes.save(job("b", "PENDING"))
    assert {name: found.state for (_, name), found in store.jobs.items()} == {"a": "DONE", "b": "PENDING"}
    assert outcomes.load("p", "none") is None
