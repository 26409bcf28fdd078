"""Checks the agent's health: exits 0 if the agent that is running has polled queue `default` in the last seconds.

The agent has no port, but Orion records when a queue was last polled.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from orionbox.orion.client import ONE_TRY, Orion
from orionbox.services import LONGEST_POLL_GAP
from services.agent.lock import running_agent

TIMEOUT = 20
"""Seconds for Orion's answer."""


def main() -> int:
    """Asks Orion; returns 0 for a healthy agent."""
    orion = Orion(os.environ["PREFECT_API_URL"], ONE_TRY, TIMEOUT)
    last_polled = orion.call("work_queues/name/default")["last_polled"]
    agent = running_agent(Path(os.environ["AGENT_LOCK"]))
    if not agent or not last_polled:
        return 1
    return 0 if is_healthy(agent.started, datetime.fromisoformat(last_polled), datetime.now(UTC)) else 1


def is_healthy(started: datetime, polled: datetime, now: datetime) -> bool:
    """Returns whether the poll is recent and came from the agent that started then.

    A start in the future means that the clock was set back since, so it is ignored.
    """
    return polled > now - LONGEST_POLL_GAP and (polled > started or started > now)


if __name__ == "__main__":
    sys.exit(main())
