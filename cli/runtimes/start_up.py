"""Waits for a start: the loop, the limit and the lines that both runtimes share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cli.programs import say
from cli.runtimes import failures
from cli.runtimes.failures import LastWords
from cli.waiting import GrowingPauses

LIMIT = 300
"""Seconds without any progress after which a start has failed. A slow machine may take longer, if something moves."""
CHECK_SECONDS = 5
"""Seconds between two looks at the logs and the disks of services that are not ready yet."""
MOST_EXITS = 3
"""How often a service may exit by itself before the start fails."""
WITH_DIGITS = re.compile(r"\w*\d\w*")


@dataclass(frozen=True)
class Look:
    """What one look at the starting services finds."""

    ready: Sequence[str] = ()
    """Lines for those that have become ready, for example `orion ready`."""
    waiting: Sequence[str] = ()
    """The names of those that are not ready."""
    failed: Sequence[str] = ()
    """The names of those that will never become ready."""


class StartingServices(Protocol):
    """The services of a start, as their runtime sees them."""

    pause: float
    """Seconds between two looks."""

    def look(self) -> Look:
        """Looks at every service that is not ready yet."""

    def progress(self) -> Iterable[Hashable]:
        """Returns what can be seen of those services: their states, and the lines of their logs."""

    def last_words(self, names: Sequence[str]) -> list[LastWords]:
        """Returns the state of these services, and the end of their logs."""

    def folders(self) -> Iterable[Path]:
        """Returns the folders in which the services keep their data, as far as this machine has them."""


@dataclass
class Patience:
    """The limit of a start, which counts from the last progress.

    Progress is what was not seen before. So a log that repeats the same lines for ever is none, and neither is a
    service that changes between two states.
    """

    limit: float = LIMIT
    clock: Callable[[], float] = time.monotonic
    _seen: set[Hashable] = field(default_factory=set)
    _last: float = 0

    def __post_init__(self) -> None:
        self._last = self.clock()

    def see(self, signs: Iterable[Hashable]) -> None:
        """Takes what can be seen now; the limit begins anew if anything of it is new."""
        if new := {_without_numbers(sign) for sign in signs} - self._seen:
            self._seen |= new
            self._last = self.clock()

    @property
    def is_over(self) -> bool:
        """Whether nothing has moved for too long."""
        return self.clock() - self._last > self.limit


def _without_numbers(sign: Hashable) -> Hashable:
    """Returns a text with `#` for each word with a digit: times, ports, process ids and run ids."""
    return WITH_DIGITS.sub("#", sign) if isinstance(sign, str) else sign


def wait_until_ready(services: StartingServices, began: float, patience: Patience | None = None) -> None:
    """Returns when every service is ready; prints a line for each.

    Args:
        services: the starting services.
        began: the moment from which seconds are counted, of `time.monotonic`.
        patience: the limit; LIMIT by default.

    Raises:
        StartError: a service has failed, or nothing has moved for too long; the error has the end of each log.
    """
    patience, last_check, lines = patience or Patience(LIMIT), time.monotonic(), GrowingPauses()
    while True:
        found, now = services.look(), time.monotonic()
        for line in found.ready:
            say(f"  {line} after {now - began:.1f} s")
        if found.failed:
            raise failures.start_error(services.last_words(found.failed), services.folders())
        if not found.waiting:
            return
        patience.see(found.ready)
        if found.ready:
            last_check, lines = now, GrowingPauses()
        elif now - last_check > CHECK_SECONDS:
            last_check = now
            patience.see(services.progress())
            if lines.is_due():
                say(f"  waiting for {', '.join(sorted(found.waiting))} ({now - began:.0f} s)")
            reason = "the disk is full" if failures.is_full(services.folders()) else ""
            if patience.is_over:
                reason = reason or f"nothing has moved for {patience.limit:.0f} s"
            if reason:
                raise failures.start_error(services.last_words(found.waiting), services.folders(), f": {reason}")
        time.sleep(services.pause)
