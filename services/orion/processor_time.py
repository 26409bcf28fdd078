"""A limit to the time that Orion computes for one request: its loop answers nobody else meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

MOST_SECONDS = 2
"""Of the processor. The dates of a rule for every hour that begins in 2020 take a tenth of one."""


class SlowError(ValueError):
    """Something took too long to compute."""


@contextmanager
def limited(reason: str, seconds: float = MOST_SECONDS) -> Iterator[None]:
    """Ends the block after so many seconds of the processor; outside of the main thread, or within another one, never.

    Args:
        reason: the text of the error.
        seconds: of the processor.

    Raises:
        SlowError: the block has taken longer.
    """
    if threading.current_thread() is not threading.main_thread() or is_limited():
        yield
        return

    def stop(*_: Any) -> NoReturn:
        raise SlowError(reason)

    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def is_limited() -> bool:
    """Returns whether a limit is running."""
    return signal.getitimer(signal.ITIMER_VIRTUAL)[0] > 0
