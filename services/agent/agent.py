"""Prefect's agent, with a lock and a host name that let the sweeper recognise its runs.

A flow run that the agent starts as a process ends with the agent. Orion knows such a run by the agent's host name and
a process id, and in a container each agent has its own host name. If the lock is free or held under another name, the
run is an orphan (`services.agent.sweeper`).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from services.agent import lock
from services.agent.bootstrapped import wait_until_bootstrapped

if TYPE_CHECKING:
    from prefect.agent import PrefectAgent
    from prefect.client.schemas.objects import WorkQueue

COMMAND = ("prefect", "agent", "start", "--work-queue", "default")


def read_queues_with_each_poll(agent: type[PrefectAgent]) -> None:
    """Makes agents of this class read their queues with each poll, and ask for the runs of a paused queue, too.

    Orion itself names no runs of a paused queue. Prefect's own agent remembers queues for 30 seconds: so long it would
    take no run after a queue was resumed, deleted, or not read because Orion was restarting. And while a queue is
    paused it would not ask, so that Orion would believe that no agent is running.
    """
    read = agent.get_work_queues

    async def get_work_queues(self: PrefectAgent) -> AsyncIterator[WorkQueue]:
        self._work_queue_cache_expiration = None
        async for queue in read(self):
            queue.is_paused = False
            yield queue

    agent.get_work_queues = get_work_queues


def main() -> None:
    """Runs Prefect's agent in this process as soon as the bootstrap has ended.

    If AGENT_HOST is set, the agent's host name begins with it, and no other agent has the same.
    """
    if host := os.environ.get("AGENT_HOST"):
        name = f"{host}-{uuid4().hex[:8]}"
        socket.gethostname = lambda: name
    lock.hold(Path(os.environ["AGENT_LOCK"]), socket.gethostname())
    from prefect.agent import PrefectAgent  # takes seconds, in which the bootstrap can end
    from prefect.cli import app

    read_queues_with_each_poll(PrefectAgent)
    wait_until_bootstrapped()
    sys.argv[:] = COMMAND
    app()


if __name__ == "__main__":
    main()
