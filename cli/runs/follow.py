"""Follows a run live, in the terminal, to its end."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

from cli.programs import say
from cli.runs.progress_bars import Bars
from orionbox.orion.cli_client import Orion
from orionbox.orion.states import ENDED

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 120
"""How long a run may wait for the agent before that is reported."""
INFO = 20
HOUSEKEEPING = re.compile(
    r"(Created|Submitted) (task|subflow) run|Getting bucket|Uploading blob|Finished in state Completed\(\)$"
)
"""What Prefect says of each task's way; Orion's page has it, here it would hide what the tasks say themselves."""


def _follow(client: Orion, run_id: str) -> dict[str, Any]:
    """Prints the run's logs as they come, each with its seconds since the run was asked for, until it has ended."""
    seen: set[str] = set()
    start, warned, bars = time.monotonic(), False, Bars()
    while True:
        run = client.run(run_id)
        begun = _seconds(run["created"])
        news = [log for log in client.logs(run_id, seen) if log[1] > INFO or not HOUSEKEEPING.match(log[2])]
        bars.print([(f"{_seconds(moment) - begun:6.1f} s  ", message) for moment, _, message in news])
        if run["state_type"] in ENDED:
            bars.clear()
            return run
        if not warned and run["state_type"] in ("SCHEDULED", "PENDING") and time.monotonic() - start > PATIENCE_SECONDS:
            warned = True
            bars.clear()
            say(f"still {run['state_name']} after {PATIENCE_SECONDS} s; look at the agent: make logs SERVICE=agent")
        time.sleep(POLL_SECONDS)


def _seconds(moment: str) -> float:
    """A moment in Orion's words, in seconds since 1970."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
