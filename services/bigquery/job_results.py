"""What has become of a job, told also while there is no room on the disk to write it down.

As it comes, the emulator loses the outcome then: the job stays in the state RUNNING, and whoever asks waits for ever.
"""

# mypy: disable-error-code="import-untyped,import-not-found"
# The emulator is installed in its own image only.

import threading
from collections.abc import Callable
from typing import Any

import duckdb

Key = tuple[str, str]


class Outcomes:
    """The emulator's store of jobs, with those in memory that could not be written.

    Args:
        save: writes a job, and gives it back.
        load: reads the job of a project, by its id.
    """

    def __init__(self, save: Callable[[Any], Any], load: Callable[[str, str], Any]) -> None:
        self._save, self._load = save, load
        self._unwritten: dict[Key, Any] = {}
        self._lock = threading.Lock()

    def save(self, job: Any) -> Any:
        """Writes the job, and with it those that had to wait."""
        with self._lock:
            self._unwritten[job.jobReference.projectId, job.jobReference.jobId] = job
            try:
                for key in list(self._unwritten):
                    self._save(self._unwritten[key])
                    del self._unwritten[key]
            except duckdb.Error:
                pass  # with the next one
        return job

    def load(self, project_id: str, job_id: str) -> Any:
        """The job as it is now."""
        return self._unwritten.get((project_id, job_id)) or self._load(project_id, job_id)


def install() -> None:
    """Puts itself between the emulator and its store."""
    from local_bigquery.jobs import store

    outcomes = Outcomes(store.save, store.load)
    store.save, store.load = outcomes.save, outcomes.load
