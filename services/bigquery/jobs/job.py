"""A job's life: inserted, run in a thread, done or failed; kept for 24 hours."""

from __future__ import annotations

import logging
import re
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.bigquery.clock import now_ms
from services.bigquery.errors import BigQueryError, failed
from services.bigquery.jobs.history import KEPT_HOURS, History, Result
from services.bigquery.schema import invalid

AT_ONCE = 100
"""Jobs at the same time; others wait in a queue. Most of so many wait themselves: for a table, or for their turn."""
EMAIL = "orionbox@orionbox.iam.gserviceaccount.com"
NAME = re.compile(r"[A-Za-z0-9_-]{1,1024}")
KINDS = ("query", "load", "extract", "copy")
_log = logging.getLogger("bigquery")


@dataclass
class Job:
    """A job.

    Attributes:
        project: Its project.
        name: Its id.
        configuration: As it was sent, with what the server has filled in.
        statistics: As REST has them.
        state: PENDING, RUNNING or DONE.
        error: Why it failed.
        upload: The file that came with a load job.
        is_placed: Whether the client named the location: then the job is found in no other.
        parent: The script's job that it is a statement of.
    """

    project: str
    name: str
    configuration: dict[str, Any]
    location: str = "US"
    statistics: dict[str, Any] = field(default_factory=dict)
    state: str = "PENDING"
    error: BigQueryError | None = None
    upload: Path | None = None
    is_placed: bool = False
    parent: str = ""
    created: int = field(default_factory=now_ms)
    is_cancelled: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    waiting: list[Callable[[], object]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Its name for the store."""
        return f"{self.project}:{self.name}"

    @property
    def kind(self) -> str:
        """Query, load, extract or copy."""
        return str(self.configuration["jobType"]).lower()

    def resource(self, base: str = "") -> dict[str, Any]:
        """The REST form (https://cloud.google.com/bigquery/docs/reference/rest/v2/Job)."""
        status: dict[str, Any] = {"state": self.state}
        if self.error:
            status["errorResult"] = error_of(self.error)
            status["errors"] = [error_of(self.error)]
        return {
            "kind": "bigquery#job",
            "etag": secrets.token_urlsafe(16),
            "id": f"{self.project}:{self.location}.{self.name}",
            "selfLink": f"{base}/bigquery/v2/projects/{self.project}/jobs/{self.name}?location={self.location}",
            "jobReference": self.reference,
            "user_email": EMAIL,
            "configuration": self.configuration,
            "status": status,
            "statistics": self.statistics,
            "principal_subject": f"serviceAccount:{EMAIL}",
        }

    @property
    def reference(self) -> dict[str, str]:
        """Project, id and location."""
        return {"projectId": self.project, "jobId": self.name, "location": self.location}


def error_of(error: BigQueryError) -> dict[str, str]:
    """An error in a job's form (`ErrorProto`)."""
    found = {"reason": error.reason, "message": error.message}
    return found | {"location": error.location} if error.location else found


_STATUS_OF = {
    "notFound": 404,
    "duplicate": 409,
    "accessDenied": 403,
    "responseTooLarge": 403,
    "internalError": 500,
    "notImplemented": 501,
}


def from_resource(found: dict[str, Any]) -> Job:
    """A job from its REST form."""
    reference, failed = found["jobReference"], found["status"].get("errorResult")
    job = Job(reference["projectId"], reference["jobId"], found["configuration"], reference["location"])
    job.statistics, job.state = found["statistics"], found["status"]["state"]
    job.created, job.parent = int(found["statistics"]["creationTime"]), found["statistics"].get("parentJobId", "")
    if failed:
        status = _STATUS_OF.get(failed["reason"], 400)
        job.error = BigQueryError(failed["reason"], failed["message"], failed.get("location", ""), status)
    job.done.set()
    return job


Runner = Callable[[Job], Result | None]


class Jobs:
    """All jobs.

    Args:
        history: Where they are kept.
        runners: What runs each kind of job; it fills the statistics and returns a query's rows.
        interrupt: Interrupts what a job has the store do.
    """

    def __init__(self, history: History, runners: Mapping[str, Runner], interrupt: Callable[[str], object]) -> None:
        self.history, self._runners, self._interrupt = history, dict(runners), interrupt
        self._lock = threading.Lock()
        self._active: dict[tuple[str, str], Job] = {}
        self._recent: deque[Job] = deque(maxlen=200)
        self._threads = ThreadPoolExecutor(AT_ONCE, "job")
        self._fail_interrupted()

    def insert(self, project: str, resource: dict[str, Any], upload: Path | None = None) -> Job:
        """Begins a job.

        Args:
            project: Of the request.
            resource: A job in REST form: its reference and configuration.
            upload: The file that came with a load job.

        Raises:
            BigQueryError: It is no job, or there is one of that id.
        """
        job = self._new(project, resource, upload)
        if job.configuration.get("dryRun"):
            self._dry_run(job)
            return job
        with self._lock:
            key = (job.project, job.name)
            if key in self._active or self.history.load(*key):
                message = f"Already Exists: Job {job.project}:{job.location}.{job.name}"
                raise BigQueryError("duplicate", message, status=409)
            self._active[key] = job
        self._save(job)
        self._threads.submit(self._run, job)
        return job

    def run_child(self, parent: Job, configuration: dict[str, Any], work: Runner) -> Job:
        """Runs a statement of a script as a job of its own, in this thread; its error is raised."""
        number = int(parent.statistics.get("numChildJobs", 0))
        parent.statistics["numChildJobs"] = str(number + 1)
        job = Job(parent.project, f"script_job_{secrets.token_hex(16)}_{number}", configuration, parent.location)
        job.parent, job.is_placed = parent.name, parent.is_placed
        job.created = max(job.created, parent.created + number + 1)
        job.statistics = {"creationTime": str(job.created), "parentJobId": parent.name}
        self._work(job, work)
        if job.error:
            raise job.error
        return job

    def get(self, project: str, name: str, location: str = "") -> Job:
        """A job.

        Args:
            project: Its project.
            name: Its id.
            location: Where the client believes it to be; empty if it does not say.

        Raises:
            BigQueryError: There is none there (any more).
        """
        found = self._get(project, name)
        if found.is_placed and location and location.lower() != found.location.lower():
            raise BigQueryError("notFound", f"Not found: Job {project}:{location}.{name}", status=404)
        return found

    def _get(self, project: str, name: str) -> Job:
        with self._lock:
            if found := self._active.get((project, name)):
                return found
            for job in reversed(self._recent):
                if (job.project, job.name) == (project, name):
                    return job
        resource = self.history.load(project, name)
        if resource is None:
            raise BigQueryError("notFound", f"Not found: Job {project}:{name}", status=404)
        return from_resource(resource)

    def find(self, project: str, parent: str = "", **options: Any) -> list[dict[str, Any]]:
        """A project's jobs in REST form, the newest first; options as of `History.find`."""
        return self.history.find(project, parent, **options)

    def result(self, job: Job) -> Result | None:
        """A query's rows; None if it has none (any more)."""
        return self.history.result(job.project, job.name)

    def cancel(self, job: Job) -> None:
        """Asks a job to end; one that is done stays as it is."""
        job.is_cancelled = True
        if job.state == "RUNNING":
            self._interrupt(job.key)

    def delete(self, project: str, name: str) -> None:
        """Forgets a job and its rows."""
        job = self.get(project, name)
        if job.state != "DONE":
            raise invalid(f"Job {job.project}:{job.name} is running: cancel it first")
        with self._lock:
            self._recent = deque((one for one in self._recent if one is not job), maxlen=self._recent.maxlen)
        self.history.delete(project, name)

    def forget_expired(self) -> None:
        """Forgets jobs after 24 hours."""
        before = now_ms() - KEPT_HOURS * 3_600_000
        self.history.forget(before)
        with self._lock:
            recent = (job for job in self._recent if job.created >= before)
            self._recent = deque(recent, maxlen=self._recent.maxlen)

    def close(self) -> None:
        """Interrupts what is running, and closes the history."""
        with self._lock:
            active = list(self._active.values())
        for job in active:
            self.cancel(job)
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.history.close()

    def _new(self, project: str, resource: dict[str, Any], upload: Path | None) -> Job:
        configuration = dict(resource.get("configuration") or {})
        kinds = [kind for kind in KINDS if isinstance(configuration.get(kind), dict)]
        if len(kinds) != 1:
            raise BigQueryError(
                "required", "Required parameter is missing: a job has one of query, load, extract, copy"
            )
        configuration["jobType"] = kinds[0].upper()
        reference = resource.get("jobReference") or {}
        name = reference.get("jobId") or f"job_{secrets.token_urlsafe(21)}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise invalid(f"Invalid job ID: {str(name)[:100]}")
        location = str(reference.get("location") or "")
        job = Job(reference.get("projectId") or project, name, configuration, location or "US")
        job.upload, job.is_placed = upload, bool(location)
        job.statistics = {"creationTime": str(job.created)}
        return job

    def _dry_run(self, job: Job) -> None:
        try:
            self._runners[job.kind](job)
        finally:
            job.state = "DONE"
            job.done.set()

    def _run(self, job: Job) -> None:
        try:
            self._work(job, self._runners[job.kind])
        finally:
            if job.upload:
                job.upload.unlink(missing_ok=True)
            with self._lock:
                self._recent.append(job)
                self._active.pop((job.project, job.name), None)
                waiting, job.waiting = job.waiting, []
            job.done.set()
            for tell in waiting:
                tell()

    def when_done(self, job: Job, tell: Callable[[], object]) -> None:
        """Calls `tell` when the job is done, from the job's thread; at once if it is."""
        with self._lock:
            is_active = (job.project, job.name) in self._active
            if is_active:
                job.waiting.append(tell)
        if not is_active:
            tell()

    def _work(self, job: Job, runner: Runner) -> None:
        job.state = "RUNNING"
        job.statistics["startTime"] = str(now_ms())
        try:
            if job.is_cancelled:
                raise stopped()
            result = runner(job)
            if result is not None:
                self.history.save_result(job.project, job.name, job.created, result)
        except BigQueryError as error:
            job.error = stopped() if job.is_cancelled else error
        except Exception as unforeseen:
            _log.exception("job %s failed", job.name)
            job.error = failed(unforeseen)
        end = now_ms()
        job.statistics |= {"endTime": str(end), "finalExecutionDurationMs": str(end - int(job.statistics["startTime"]))}
        job.state = "DONE"
        self._save(job)

    def _save(self, job: Job) -> None:
        try:
            self.history.save(job.project, job.name, job.created, job.parent, job.state, job.resource())
        except Exception:  # the disk is full: the client gets its answer from memory
            _log.exception("job %s is only kept in memory", job.name)

    def _fail_interrupted(self) -> None:
        for project, name in self.history.running():
            resource = self.history.load(project, name)
            if resource is not None:
                job = from_resource(resource)
                text = "The job was running when the BigQuery server ended. Run it again."
                job.error, job.state = BigQueryError("backendError", text, status=503), "DONE"
                job.statistics["endTime"] = str(now_ms())
                self._save(job)


def stopped() -> BigQueryError:
    """The error of a job that a user has cancelled."""
    return BigQueryError("stopped", "Job execution was cancelled: User requested cancellation", "")
