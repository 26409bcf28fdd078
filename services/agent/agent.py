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


def read_queues_until_found(agent: type[PrefectAgent]) -> None:
    """Makes agents of this class read their queues with each poll until Orion has answered.

    Prefect's own agent caches for 30 seconds what it has read, even if it could read nothing because Orion was
    restarting. In that time it would take no run.
    """
    read = agent.get_work_queues

    async def get_work_queues(self: PrefectAgent) -> AsyncIterator[WorkQueue]:
        async for queue in read(self):
            yield queue
        if not self._work_queue_cache:
            self._work_queue_cache_expiration = None

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

    read_queues_until_found(PrefectAgent)
    wait_until_bootstrapped()
    sys.argv[:] = COMMAND
    app()


if __name__ == "__main__":
    main()
