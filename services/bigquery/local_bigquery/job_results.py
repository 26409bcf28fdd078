"""Keeps job results in memory while the disk is full.

Without this, the emulator loses such a result: the job stays in the state RUNNING, and its client waits forever.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

MOST_UNWRITTEN = 1000
"""Jobs held in memory. With more, the oldest is forgotten."""
Key = tuple[str, str]
log = logging.getLogger(__name__)


class JobResults:
    """The emulator's store of jobs, and in memory the jobs that could not be written to it.

    Args:
        save: writes a job, and returns it.
        load: reads the job of a project, by its id.
    """

    def __init__(self, save: Callable[[Any], Any], load: Callable[[str, str], Any]) -> None:
        self._save, self._load = save, load
        self._unwritten: OrderedDict[Key, Any] = OrderedDict()
        self._lock = threading.Lock()

    def save(self, job: Any) -> Any:
        """Writes the job, and if that works, those that could not be written before."""
        key = (job.jobReference.projectId, job.jobReference.jobId)
        with self._lock:
            self._unwritten[key] = job
            self._unwritten.move_to_end(key)
            error = self._write(key)
            if error:
                log.warning("job %s of project %s stays in memory, it cannot be written: %s", key[1], key[0], error)
                self._forget_oldest()
            else:
                for waiting in list(self._unwritten):
                    self._write(waiting)
        return job

    def load(self, project_id: str, job_id: str) -> Any:
        """Returns the job as it is now."""
        return self._unwritten.get((project_id, job_id)) or self._load(project_id, job_id)

    def _write(self, key: Key) -> Exception | None:
        try:
            self._save(self._unwritten[key])
        except Exception as error:  # whatever the reason is, the client must get its answer
            return error
        del self._unwritten[key]
        return None

    def _forget_oldest(self) -> None:
        if len(self._unwritten) > MOST_UNWRITTEN:
            (project, name), _ = self._unwritten.popitem(last=False)
            log.error("job %s of project %s is forgotten: too many jobs cannot be written", name, project)


def install() -> None:
    """Patches the emulator's store of jobs."""
    from local_bigquery.jobs import store

    results = JobResults(store.save, store.load)
    store.save, store.load = results.save, results.load
