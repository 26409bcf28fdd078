"""Sessions: variables, temporary tables and functions that stay from one job to the next.

https://cloud.google.com/bigquery/docs/sessions-intro
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.jobs.job import Job, stopped

KEPT_SECONDS = 24 * 3600
"""How long a session lives without a job."""
MOST = 500
_ABORT = re.compile(r"\s*CALL\s+BQ\.ABORT_SESSION\s*\(\s*(?:(['\"])([^'\"]*)\1)?\s*\)\s*;?\s*", re.IGNORECASE)
_LOOK = 0.2
"""Seconds between two looks at whether a job that waits for its session was cancelled."""


PROJECT = "dataset_project_id"
"""The connection property that names the project of datasets without one."""


def _properties(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The connection's properties by their names; what has no such form is none."""
    given = configuration.get("connectionProperties") or ()
    return {str(one.get("key")): str(one.get("value")) for one in given if isinstance(one, dict)}


def project_of(configuration: Mapping[str, Any], job: Job) -> str:
    """The project in which a query's names without one are.

    https://cloud.google.com/bigquery/docs/reference/rest/v2/ConnectionProperty

    Raises:
        BigQueryError: The connection property and the default dataset name two projects.
    """
    default = str((configuration.get("defaultDataset") or {}).get("projectId") or "")
    named = _properties(configuration).get(PROJECT, default)
    if default and named != default:
        raise NotBuilt(f"the connection property {PROJECT} with another project than the default dataset's")
    return named or job.project


@dataclass
class Kept:
    """A session.

    Attributes:
        name: Its id.
        state: What its jobs share; made by the first one.
        used: When, on the monotonic clock.
    """

    name: str
    state: Any = None
    used: float = field(default_factory=time.monotonic)
    turn: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """All sessions of a server.

    Args:
        end: Gives up what a session's state holds.
    """

    def __init__(self, end: Callable[[Any], None]) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._known: dict[str, Kept] = {}

    def begin(self) -> Kept:
        """A new session."""
        name = base64.b64encode(secrets.token_bytes(33)).decode().replace("+", "x").replace("/", "y")
        self.end_old(room=1)
        with self._lock:
            return self._known.setdefault(name, Kept(name))

    def of(self, job: Job) -> Kept | None:
        """The session of a job; None if it has none.

        Raises:
            BigQueryError: It names one that is not there (any more).
        """
        configuration = job.configuration["query"]
        if configuration.get("createSession"):
            return self.begin()
        found = _properties(configuration)
        for name in found:
            if name not in ("session_id", "query_label", PROJECT):
                raise NotBuilt(f"the connection property {name[:50]}")
        if "session_id" not in found:
            return None
        with self._lock:
            if (kept := self._known.get(found["session_id"])) is not None:
                return kept
        raise BigQueryError("notFound", f"Not found: Session {found['session_id'][:100]}", status=404)

    @contextmanager
    def turn(self, kept: Kept, job: Job) -> Iterator[None]:
        """Waits until no other job of the session runs."""
        while not kept.turn.acquire(timeout=_LOOK):
            if job.is_cancelled:
                raise stopped()
        try:
            yield
        finally:
            kept.used = time.monotonic()
            kept.turn.release()

    def end_old(self, room: int = 0) -> None:
        """Ends sessions that nobody has used for a day, and the oldest if there are too many."""
        with self._lock:
            kept = sorted(self._known.values(), key=lambda one: one.used)
            over = max(len(kept) + room - MOST, 0)
            old = kept[:over] + [one for one in kept[over:] if time.monotonic() - one.used > KEPT_SECONDS]
        for one in old:
            self.end(one.name)

    def end(self, name: str) -> None:
        """Ends a session.

        Raises:
            BigQueryError: There is none.
        """
        with self._lock:
            kept = self._known.pop(name, None)
        if kept is None:
            raise BigQueryError("notFound", f"Not found: Session {name[:100]}", status=404)
        if kept.state is not None:
            self._end(kept.state)


def aborted(sql: str, kept: Kept) -> str:
    """The id of the session that `CALL BQ.ABORT_SESSION` ends; empty for another statement."""
    found = _ABORT.fullmatch(sql)
    return (found[2] or kept.name) if found else ""
