"""Schedules that would stop Orion, with Prefect's own classes."""

from __future__ import annotations

import asyncio
import json
import threading
import warnings
from typing import Any

import pytest

from services.orion import schedules
from services.orion.processor_time import SlowError, limited
from services.orion.schedules import require_dates

with warnings.catch_warnings():
    # Prefect's own imports warn
    warnings.simplefilter("ignore")
    from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second is enough to see the limit."""
    monkeypatch.setattr(limited, "__wrapped__", limited.__wrapped__)  # type: ignore[attr-defined]
    monkeypatch.setattr(limited.__wrapped__, "__defaults__", (0.5,))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "schedule",
    [
        {"rrule": "FREQ=SECONDLY;COUNT=1000000000"},
        {"rrule": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"},
        {"rrule": "DTSTART:19000101T000000\\nRRULE:FREQ=MINUTELY"},
    ],
)
@pytest.mark.parametrize("wrap", [lambda one: {"schedule": one}, lambda one: {"schedules": [{"schedule": one}]}, list])
def test_a_schedule_that_takes_for_ever_is_refused(schedule: dict[str, str], wrap: Any) -> None:
    schedule = {name: value.replace("\\n", "\n") for name, value in schedule.items()}
    wrapped = wrap(schedule) if wrap is not list else [{"active": True, "schedule": schedule}]
    with pytest.raises(SlowError, match="give it a start"):
        require_dates(json.dumps(wrapped).encode())


@pytest.mark.parametrize(
    "schedule",
    [
        {"rrule": "FREQ=DAILY"},
        {"rrule": "FREQ=HOURLY;BYHOUR=9"},
        {"rrule": "no rule"},
        {"cron": "0 5 1 * *", "timezone": "America/New_York"},
        {"cron": "0 0 30 2 *"},
        {"interval": 3600, "anchor_date": "2020-01-01T00:00:00+00:00"},
        {"interval": 86400 * 999_999_999},
        {"interval": 60, "anchor_date": "9999-12-31T23:59:59+00:00"},
        None,
    ],
)
def test_every_other_schedule_passes(schedule: Any) -> None:
    require_dates(json.dumps({"name": "mine", "schedule": schedule}).encode())


@pytest.mark.parametrize("body", [b"", b"[", b"[" * 5000, b'{"schedule": {"cron": 1}}', b'{"schedule": "x"}', b"3"])
def test_what_is_no_schedule_is_left_to_orion(body: bytes) -> None:
    require_dates(body)


def test_a_schedule_that_is_stored_already_ends_its_own_dates_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (RRuleSchedule, IntervalSchedule, CronSchedule):
        monkeypatch.setattr(kind, "get_dates", kind.get_dates)
    schedules.limit()
    with pytest.raises(SlowError):
        asyncio.run(RRuleSchedule(rrule="FREQ=SECONDLY").get_dates(n=1))
    assert len(asyncio.run(CronSchedule(cron="0 5 1 * *").get_dates(n=3))) == 3
    assert len(asyncio.run(IntervalSchedule(interval=60).get_dates(n=3))) == 3


def test_outside_of_the_main_thread_there_is_no_limit_and_no_error() -> None:
    done: list[bool] = []

    def work() -> None:
        with limited("slow"):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
