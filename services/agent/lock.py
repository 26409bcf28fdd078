"""The agent's lock, which shows other programs whether an agent is running, since when, and under which name.

Times alone would not show which agent started a run: when the clock is set back, a run can look older than its agent.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class RunningAgent:
    """An agent that is running."""

    started: datetime
    """Wall-clock time at its start."""
    name: str
    """Its host name."""


def hold(path: Path, name: str) -> None:
    """Takes the lock and holds it until this process ends; waits for an agent that holds it already."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{datetime.now(UTC).isoformat()} {name}".encode())


def running_agent(path: Path) -> RunningAgent | None:
    """Returns the agent that holds the lock, or None if there is none."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        # The file is empty while its agent writes it: this agent has only just started
        started, _, name = path.read_text().partition(" ")
        return RunningAgent(datetime.fromisoformat(started) if started else datetime.now(UTC), name)
    return None
