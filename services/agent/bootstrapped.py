"""The mark of the bootstrap's end, before which the agent and the embedded sweeper talk to no service.

Before it, another program may listen where the platform's Orion should. The bootstrap starts when that is excluded.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

PAUSE = 0.1
"""Seconds between two looks."""


def wait_until_bootstrapped() -> None:
    """Returns when the file BOOTSTRAPPED exists, or at once without that variable."""
    mark = os.environ.get("BOOTSTRAPPED")
    while mark and not Path(mark).exists():
        time.sleep(PAUSE)
