"""Remembers how the programs of flow runs ended, and writes it where a student looks: into the run's log in Orion."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

RUN_ID = "PREFECT__FLOW_RUN_ID"
"""The variable in which Prefect passes the run's id to its program."""
TAIL_LINES = 20
ENDINGS_KEPT = 100


@dataclass
class Tail:
    """The last lines of a program's output."""

    _lines: deque[str] = field(default_factory=lambda: deque([""], TAIL_LINES))

    def add(self, text: str) -> str:
        """Takes a piece of the output, which may end within a line; returns it."""
        first, *others = text.split("\n")
        self._lines[-1] += first
        self._lines.extend(others)
        return text

    def __str__(self) -> str:
        return "\n".join(self._lines).strip()


@dataclass(frozen=True)
class Ending:
    """How a run's program ended, other than with 0."""

    reason: str
    """Empty if it is unknown."""
    output: str
    """Its last lines."""


_endings: dict[str, Ending] = {}


def note(environment: Mapping[str, str | None], reason: str, tail: Tail) -> None:
    """Remembers how the program of the run with these variables ended."""
    if len(_endings) >= ENDINGS_KEPT:
        del _endings[next(iter(_endings))]
    _endings[environment.get(RUN_ID) or ""] = Ending(reason, str(tail))


def take(run_id: str) -> Ending:
    """Returns how the run's program ended, and forgets it."""
    return _endings.pop(run_id, Ending("", ""))


def log_to_run(environment: Mapping[str, str | None], text: str, level: int = logging.WARNING) -> None:
    """Writes a line into the log of the run with these variables, in Orion; without a run, only to this program's."""
    run_id = environment.get(RUN_ID)
    # The names are those that Prefect's formats of log lines use
    extra = {"flow_run_id": run_id, "flow_run_name": run_id, "flow_name": "<unknown>", "send_to_api": bool(run_id)}
    logging.getLogger("prefect.flow_runs").log(level, text, extra=extra)
