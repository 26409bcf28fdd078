"""Schedules whose next dates take for ever to compute are refused, and end nothing but their own deployment's runs.

Orion computes dates in the loop that answers all requests. A rule such as `FREQ=SECONDLY` begins in 2020 and looks at
every second since; one that never comes true has no end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from services.orion.processor_time import MOST_SECONDS, SlowError, limited

DEPLOYMENTS = re.compile(r"/+api/+deployments\b.*")
KINDS = {"rrule": "RRuleSchedule", "interval": "IntervalSchedule", "cron": "CronSchedule"}
"""Prefect's classes by the field that only they have."""
REASON = (
    f"this schedule's next date takes more than {MOST_SECONDS} seconds to compute, which would stop all of Orion; "
    "give it a start (DTSTART or anchor_date) near today, a larger step, or dates that exist"
)


def limit() -> None:
    """Limits the time that Orion takes for the dates of each schedule, however it came into the database."""
    from prefect.server.schemas import schedules

    async def get_dates(
        self: Any, n: int | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Any]:
        with limited(REASON):
            return sorted(self._get_dates_generator(n=n, start=start, end=end))

    for name in KINDS.values():
        getattr(schedules, name).get_dates = get_dates


def require_dates(body: bytes) -> None:
    """Refuses the schedules in a request whose next date takes too long to compute.

    Raises:
        SlowError: there is one. What else may be wrong with a schedule, Orion says itself.
    """
    from prefect.server.schemas import schedules

    for found in _schedules(_loaded(body)):
        name = next(KINDS[field] for field in KINDS if field in found)
        with limited(REASON):
            try:
                next(iter(getattr(schedules, name).parse_obj(found)._get_dates_generator(n=1)), None)
            except SlowError:
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
