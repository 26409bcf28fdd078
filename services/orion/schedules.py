"""Schedules whose next dates take for ever to compute are refused, and end nothing but their own deployment's runs.

Orion computes dates in the loop that answers all requests. A rule such as `FREQ=SECONDLY` begins in 2020 and looks at
every second since; one that never comes true has no end.
"""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NoReturn

DEPLOYMENTS = re.compile(r"/+api/+deployments\b.*")
MOST_SECONDS = 2
"""Of computing. A rule for every hour that begins in 2020 takes a tenth of one."""
KINDS = {"rrule": "RRuleSchedule", "interval": "IntervalSchedule", "cron": "CronSchedule"}
"""Prefect's classes by the field that only they have."""
REASON = f"this schedule's next date takes more than {MOST_SECONDS} seconds to compute, which would stop all of Orion"
FIX = "give it a start (DTSTART or anchor_date) near today, a larger step, or dates that exist"


class SlowScheduleError(ValueError):
    """The dates of a schedule take too long to compute."""


@contextmanager
def limited(seconds: float = MOST_SECONDS) -> Iterator[None]:
    """Ends the block after so many seconds of the processor; outside of the main thread, never.

    Raises:
        SlowScheduleError: the block has taken longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> NoReturn:
        raise SlowScheduleError(f"{REASON}; {FIX}")

    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def limit() -> None:
    """Limits the time that Orion takes for the dates of each schedule, however it came into the database."""
    from prefect.server.schemas import schedules

    async def get_dates(
        self: Any, n: int | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Any]:
        with limited():
            return sorted(self._get_dates_generator(n=n, start=start, end=end))

    for name in KINDS.values():
        getattr(schedules, name).get_dates = get_dates


def require_dates(body: bytes) -> None:
    """Refuses the schedules in a request whose next date takes too long to compute.

    Raises:
        SlowScheduleError: there is one. What else may be wrong with a schedule, Orion says itself.
    """
    from prefect.server.schemas import schedules

    for found in _schedules(_loaded(body)):
        name = next(KINDS[field] for field in KINDS if field in found)
        with limited():
            try:
                next(iter(getattr(schedules, name).parse_obj(found)._get_dates_generator(n=1)), None)
            except SlowScheduleError:
                raise
            except Exception:  # such as dates that no calendar has: Orion says so, or logs it
                continue


def _loaded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _schedules(value: Any) -> Iterator[dict[str, Any]]:
    """Yields the schedules in a request: of a deployment, of its list, or alone."""
    if isinstance(value, list):
        for each in value:
            yield from _schedules(each)
    elif isinstance(value, dict):
        if KINDS.keys() & value.keys():
            yield value
            return
        for name in ("schedule", "schedules"):
            yield from _schedules(value.get(name))
