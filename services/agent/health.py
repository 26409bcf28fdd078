"""Exits 0 if the agent that lives has asked queue `default` for work in the last seconds: compose's health check.

The agent has no port of its own, but Orion notes each time that it polls.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

from orionbox.services import LATE
from services.agent.lock import living


def main() -> int:
    """Asks Orion."""
    with urlopen(f"{os.environ['PREFECT_API_URL']}/work_queues/name/default", timeout=4) as response:
        noted = json.load(response)["last_polled"]
    agent, polled = living(Path(os.environ["AGENT_LOCK"])), noted and datetime.fromisoformat(noted)
    return 0 if agent and polled and polls(agent.since, polled, datetime.now(UTC)) else 1


def polls(started: datetime, polled: datetime, now: datetime) -> bool:
    """Whether that was a poll of the agent that was started then, and not long ago.

    Where the clock was put back since, the start lies in the future, and says nothing.
    """
    return polled > now - LATE and (polled > started or started > now)


if __name__ == "__main__":
    sys.exit(main())
