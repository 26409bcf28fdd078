"""Results of BigQuery jobs, while their store has no room or refuses one of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from services.bigquery.local_bigquery import job_results
from services.bigquery.local_bigquery.job_results import JobResults


class Store:
    """The emulator's, on a disk that can be full; it refuses the jobs in `refused` always."""

    def __init__(self) -> None:
        self.jobs: dict[tuple[str, str], Any] = {}
        self.is_full = False
        self.refused: set[str] = set()

    def save(self, job: Any) -> Any:
        if self.is_full or job.jobReference.jobId in self.refused:
            raise RuntimeError("No space left on device")
        self.jobs[job.jobReference.projectId, job.jobReference.jobId] = job
        return job

    def load(self, project_id: str, job_id: str) -> Any:
        return self.jobs.get((project_id, job_id))

    def states(self) -> dict[str, str]:
        return {name: job.state for (_, name), job in self.jobs.items()}


def job(name: str, state: str = "DONE") -> SimpleNamespace:
    return SimpleNamespace(jobReference=SimpleNamespace(projectId="p", jobId=name), state=state)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def results(store: Store) -> JobResults:
    return JobResults(store.save, store.load)


def test_a_result_is_known_though_it_cannot_be_written(results: JobResults, store: Store) -> None:
    results.save(job("a", "RUNNING"))
    store.is_full = True
    assert results.save(job("a", "DONE")).state == "DONE"
    assert (results.load("p", "a").state, store.load("p", "a").state) == ("DONE", "RUNNING")
    assert results.load("p", "none") is None


def test_jobs_that_had_to_wait_are_written_with_the_next_one(results: JobResults, store: Store) -> None:
    store.is_full = True
    results.save(job("a"))
    store.is_full = False
    results.save(job("b", "PENDING"))
    assert store.states() == {"a": "DONE", "b": "PENDING"}


def test_a_job_that_can_never_be_written_holds_no_other_up(results: JobResults, store: Store) -> None:
    store.refused = {"a"}
    results.save(job("a"))
    store.is_full = True
    results.save(job("b"))
    store.is_full = False
    results.save(job("c"))
    assert store.states() == {"b": "DONE", "c": "DONE"}
    assert results.load("p", "a").state == "DONE"


def test_a_newer_state_that_is_written_ends_the_wait_of_the_older_one(results: JobResults, store: Store) -> None:
    store.is_full = True
    results.save(job("a", "RUNNING"))
    store.is_full = False
    results.save(job("a", "DONE"))
    results.save(job("b"))
    assert store.states() == {"a": "DONE", "b": "DONE"}
    assert results.load("p", "a").state == "DONE"


def test_the_log_names_each_job_that_cannot_be_written(
    results: JobResults, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.is_full = True
    results.save(job("a"))
    assert [record.getMessage() for record in caplog.records] == [
        "job a of project p stays in memory, it cannot be written: No space left on device"
    ]


def test_memory_holds_only_so_many_jobs(
    results: JobResults, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(job_results, "MOST_UNWRITTEN", 2)
    store.is_full = True
    for name in ("a", "b", "a", "c"):
        results.save(job(name))
    assert {name: bool(results.load("p", name)) for name in "abc"} == {"a": True, "b": False, "c": True}
    assert "job b of project p is forgotten: too many jobs cannot be written" in caplog.messages
