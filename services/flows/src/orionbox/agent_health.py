"""Exits 0 if the agent has asked queue `default` for work in the last seconds, as compose's health check wants to know.

The agent has no port of its own, but Orion notes each time that it polls.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

LATE = timedelta(seconds=20)


def main() -> int:
    """Asks Orion."""
    with urlopen(f"{os.environ['PREFECT_API_URL']}/work_queues/name/default", timeout=4) as response:
        polled = json.load(response)["last_polled"]
    return 0 if polled and datetime.now(UTC) - datetime.fromisoformat(polled) < LATE else 1


if __name__ == "__main__":
    sys.exit(main())
