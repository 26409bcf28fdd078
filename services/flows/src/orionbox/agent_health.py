"""Exits 0 if the agent that lives has asked queue `default` for work in the last seconds: compose's health check.

The agent has no port of its own, but Orion notes each time that it polls.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

from orionbox.agent import alive_since

LATE = timedelta(seconds=8)
"""It polls every second."""


def main() -> int:
    """Asks Orion."""
    with urlopen(f"{os.environ['PREFECT_API_URL']}/work_queues/name/default", timeout=4) as response:
        noted = json.load(response)["last_polled"]
    started, polled = alive_since(Path(os.environ["AGENT_LOCK"])), noted and datetime.fromisoformat(noted)
    return 0 if started and polled and polled > max(started, datetime.now(UTC) - LATE) else 1


if __name__ == "__main__":
    sys.exit(main())
