"""The agent: Prefect's, with a lock that tells others whether it lives, and since when.

A flow run that was started as a process of the agent ends with it. Whoever finds the lock free, or taken since a later
moment than the run began, knows that nothing works on the run any more (`orionbox.sweeper`).

Prefect's agent reads its queue every 30 seconds. Where it could not, because Orion was just being started again, it
has none, and takes no run, until the next time: this one reads it again with its next poll.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.agent import PrefectAgent
    from prefect.client.schemas.objects import WorkQueue

COMMAND = ("prefect", "agent", "start", "--work-queue", "default")


def take(path: Path) -> None:
    """Holds the lock until this process has ended; waits for another one's end."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.truncate(descriptor, 0)
    os.write(descriptor, datetime.now(UTC).isoformat().encode())


def alive_since(path: Path) -> datetime | None:
    """When the agent that lives was started; None where none lives."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        # Empty as long as it is just being written: an agent that has only begun has begun nothing yet
        return datetime.fromisoformat(path.read_text() or datetime.now(UTC).isoformat())
    return None


def keep_looking(agent: type[PrefectAgent]) -> None:
    """Makes agents of this class remember the queues that they have read, and not that they could read none."""
    read = agent.get_work_queues

    async def get_work_queues(self: PrefectAgent) -> AsyncIterator[WorkQueue]:
        async for queue in read(self):
            yield queue
        if not self._work_queue_cache:
            self._work_queue_cache_expiration = None

    agent.get_work_queues = get_work_queues


def main() -> None:
    """Runs Prefect's agent in this process, once the bootstrap has ended."""
    take(Path(os.environ["AGENT_LOCK"]))
    from prefect.agent import PrefectAgent  # takes seconds, in which the bootstrap can end
    from prefect.cli import app

    keep_looking(PrefectAgent)

    mark = os.environ.get("BOOTSTRAPPED")
    while mark and not Path(mark).exists():
        time.sleep(0.1)
    sys.argv[:] = COMMAND
    app()


if __name__ == "__main__":
    main()
