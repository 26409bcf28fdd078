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


class GrowingPauses:
    """When the next line about a wait is due: after some seconds, then at growing intervals."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._start = clock, clock()
        self.pause = float(FIRST_SECONDS)
        """Seconds from the last line, or from the start, to the next one."""
        self._last = self._start

    @property
    def seconds(self) -> float:
        """Returns the seconds since the start."""
        return self._clock() - self._start

    def is_due(self) -> bool:
        """Returns whether a line is due now; the next pause begins then."""
        if self._clock() - self._last < self.pause:
            return False
        self._last = self._clock()
        self.pause = min(max(self.pause, self.seconds), LONGEST_GAP)
        return True


def _report(what: str | Callable[[], str], ended: threading.Event) -> None:
    pauses = GrowingPauses()
    while not ended.wait(pauses.pause):
        if not pauses.is_due():  # the wait may end a little early
            continue
        seconds = pauses.seconds
        # A file that `what` reads may be gone, and the file that the line goes to may be on a full disk
        with suppress(OSError):
            say_waiting(what if isinstance(what, str) else what(), seconds)


def say_waiting(what: str, seconds: float) -> None:
    """Prints one such line, on standard error: standard output may belong to another program, or be JSON."""
    print(f"  waiting for {what} ({seconds:.0f} s)", file=sys.stderr, flush=True)
