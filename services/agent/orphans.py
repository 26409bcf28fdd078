"""What an orphan is: a run, a container or a table that nothing works on any more."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orionbox.orion.client import Json
from services.agent.lock import Living

INTERVAL, START, GRACE = 5, 0.2, 20
"""Seconds between two looks, as long as none has succeeded yet, and until what does not fit is swept."""
QUEUE = "default"


@dataclass(frozen=True)
class Surroundings:
    """What there is besides Orion.

    `containers` maps the id of each flow-run container to its state and its run's id, and is None where this platform
    has none; `docker` is the address in front of them. `agent_host` is what the names of this platform's agents begin
    with, and `agent` the one that lives.
    """

    docker: str
    containers: Mapping[str, tuple[str, str]] | None
    agent_host: str
    agent: Living | None

    def lost(self, run: Json) -> str:
        """What the run has lost, in a word; empty where it has lost nothing, or where that is not ours to say."""
        where, _, name = (run["infrastructure_pid"] or "").rpartition(":")
        if not where:
            return "agent" if self._waits_for_agent(run) and self._outlived_agent(run) else ""
        if self.containers is not None and where == self.docker:
            return "" if self.containers.get(name, ("gone",))[0] in ("running", "paused", "restarting") else "container"
        if where == socket.gethostname():
            return "" if _lives(int(name)) else "process"
        of_an_agent = bool(self.agent_host) and where.startswith(f"{self.agent_host}-")
        return "process" if of_an_agent and (self.agent is None or self.agent.name != where) else ""

    def _waits_for_agent(self, run: Json) -> bool:
        """Whether an agent has taken the run, but has not started anything for it."""
        if run["state_type"] != "PENDING" or not run["deployment_id"] or run["work_queue_name"] != QUEUE:
            return False
        return run["id"] not in {run_id for _, run_id in (self.containers or {}).values()}

    def _outlived_agent(self, run: Json) -> bool:
        return self.agent is None or datetime.fromisoformat(run["state"]["timestamp"]) < self.agent.since


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass
class Patience:
    """Since when each thing has looked orphaned."""

    seconds: float = GRACE
    since: dict[str, float] = field(default_factory=dict)

    def exhausted(self, orphans: Iterable[str], now: float) -> list[str]:
        """Which of them have been orphans for so long, at each look; the others are forgotten."""
        self.since = {orphan: self.since.get(orphan, now) for orphan in orphans}
        return [orphan for orphan, first in self.since.items() if now - first >= self.seconds]


def idle(containers: Mapping[str, tuple[str, str]], ended: Callable[[str], bool]) -> list[str]:
    """Containers that never started, or have ended, or whose run has."""
    return [
        name
        for name, (state, run_id) in containers.items()
        if state in ("created", "exited", "dead") or (run_id and ended(run_id))
    ]
