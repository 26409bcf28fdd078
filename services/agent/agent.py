"""The agent: Prefect's, with a lock that tells others whether it lives, since when, and under which name.

A flow run that was started as a process of the agent ends with it. Orion knows such a run by its agent's host name and
a process id; in a container, each agent has a host name of its own. Whoever finds the lock free, or taken by an agent
of another name, knows that nothing works on the run any more (`services.agent.sweeper`). Times would not tell: a clock that
is put right can make a run look older than the agent that has started it.

Prefect's agent reads its queue every 30 seconds. Where it could not, because Orion was just being started again, it
has none, and takes no run, until the next time: this one reads it again with its next poll.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from services.agent.lock import take

if TYPE_CHECKING:
    from prefect.agent import PrefectAgent
    from prefect.client.schemas.objects import WorkQueue

COMMAND = ("prefect", "agent", "start", "--work-queue", "default")


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
    """Runs Prefect's agent in this process, once the bootstrap has ended.

    With AGENT_HOST in the environment it has a host name that begins so, and no other agent has.
    """
    if host := os.environ.get("AGENT_HOST"):
        name = f"{host}-{uuid4().hex[:8]}"
        socket.gethostname = lambda: name
    take(Path(os.environ["AGENT_LOCK"]), socket.gethostname())
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
