"""Says what a command waits for: no wait of more than a few seconds is silent."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

FIRST_SECONDS, LONGEST_GAP = 5, 30
"""Seconds before the first line, and the most between two lines."""


@contextmanager
def waiting_for(what: str | Callable[[], str]) -> Iterator[None]:
    """Prints what the block waits for, if it takes more than a few seconds; then again, at growing intervals.

    Args:
        what: continues "waiting for"; a function is called for each line.
    """
    ended = threading.Event()
    reporter = threading.Thread(target=_report, args=(what, ended), daemon=True)
    reporter.start()
    try:
        yield
    finally:
        ended.set()
        reporter.join()


def _report(what: str | Callable[[], str], ended: threading.Event) -> None:
    start, pause = time.monotonic(), float(FIRST_SECONDS)
    while not ended.wait(pause):
        seconds = time.monotonic() - start
        pause = min(max(pause, seconds), LONGEST_GAP)
        # A file that `what` reads may be gone, and the file that the line goes to may be on a full disk
        with suppress(OSError):
            say_waiting(what if isinstance(what, str) else what(), seconds)


def say_waiting(what: str, seconds: float) -> None:
    """Prints one such line, on standard error: standard output may belong to another program, or be JSON."""
    print(f"  waiting for {what} ({seconds:.0f} s)", file=sys.stderr, flush=True)
