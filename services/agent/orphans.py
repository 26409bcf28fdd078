"""Finds orphans: runs that lost their agent, container or process, and containers that no run needs."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from orionbox.orion.client import Json
from services.agent.lock import RunningAgent

QUEUE = "default"


class Container(NamedTuple):
    """The container of a flow run."""

    state: str
    """As Docker reports it, for example `running`."""
    run_id: str
    """Empty if its label is missing."""


@dataclass(frozen=True)
class Infrastructure:
    """The agent and the containers that runs depend on."""

    docker: str
    """Docker's address as Orion knows it from the runs; empty on a platform without containers."""
    containers: Mapping[str, Container] | None
    """The containers of flow runs by id; None on a platform without containers."""
    agent_host: str
    """How the host names of this platform's agents begin; empty if they have this machine's name."""
    agent: RunningAgent | None

    def lost_infrastructure(self, run: Json) -> str:
        """Returns what the run needs and has lost: `agent`, `container` or `process`.

        Returns an empty string for a run that has lost nothing, or that another platform or a person has started.
        """
        host, _, name = (run["infrastructure_pid"] or "").rpartition(":")
        if not host:
            return "agent" if self._waits_for_agent(run) and self._agent_is_newer(run) else ""
        if self.containers is not None and host == self.docker:
            exists = name in self.containers and self.containers[name].state in ("running", "paused", "restarting")
            return "" if exists else "container"
        if host == socket.gethostname():
            return "" if _is_process(name) else "process"
        is_agent_process = bool(self.agent_host) and host.startswith(f"{self.agent_host}-")
        return "process" if is_agent_process and (self.agent is None or self.agent.name != host) else ""

    def _waits_for_agent(self, run: Json) -> bool:
        """Returns whether an agent has taken the run, but has not started anything for it."""
        if run["state_type"] != "PENDING" or not run["deployment_id"] or run["work_queue_name"] != QUEUE:
            return False
        return run["id"] not in {container.run_id for container in (self.containers or {}).values()}

    def _agent_is_newer(self, run: Json) -> bool:
        return self.agent is None or datetime.fromisoformat(run["state"]["timestamp"]) < self.agent.started


def _is_process(name: str) -> bool:
    """Returns whether this is the id of a process; any client may have written something else."""
    try:
        os.kill(int(name), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    return True


@dataclass
class Watchlist:
    """Remembers since when each object has looked like an orphan.

    Args:
        seconds: how long it must look like an orphan before it is reported. Until then its agent may report on it.
    """

    seconds: float
    since: dict[str, float] = field(default_factory=dict)

    def update(self, orphans: Iterable[str], now: float) -> list[str]:
        """Takes the objects that look like orphans now; returns those that have for long enough, forgets all others."""
        self.since = {orphan: self.since.get(orphan, now) for orphan in orphans}
        return [orphan for orphan, first in self.since.items() if now - first >= self.seconds]


def idle_containers(containers: Mapping[str, Container], has_ended: Callable[[str], bool]) -> list[str]:
    """Returns the ids of containers that never started or have ended, or whose run has ended."""
    return [
        container_id
        for container_id, container in containers.items()
        if container.state in ("created", "exited", "dead") or (container.run_id and has_ended(container.run_id))
    ]
