"""The lock by which others know whether an agent lives, since when, and under which name."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Living:
    """An agent that lives: when it was started, by the clock of that moment, and its host name."""

    since: datetime
    name: str


def take(path: Path, name: str) -> None:
    """Holds the lock until this process has ended; waits for another one's end."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{datetime.now(UTC).isoformat()} {name}".encode())


def living(path: Path) -> Living | None:
    """The agent that holds the lock; None where none lives."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        # Empty as long as it is just being written: an agent that has only begun has begun nothing yet
        since, _, name = path.read_text().partition(" ")
        return Living(datetime.fromisoformat(since) if since else datetime.now(UTC), name)
    return None
