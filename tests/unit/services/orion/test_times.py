"""Times that PostgreSQL would give back as something else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.orion.times import EARLIEST, LATEST, within

WEST, EAST = timezone(timedelta(hours=-14)), timezone(timedelta(hours=14))


@pytest.mark.parametrize(
    ("time", "stored"),
    [
        (datetime.max.replace(tzinfo=UTC), LATEST),
        (datetime.max.replace(tzinfo=WEST), LATEST),
        (datetime.min.replace(tzinfo=UTC), EARLIEST),
        (datetime.min.replace(tzinfo=EAST), EARLIEST),
        (datetime(2021, 1, 1, tzinfo=EAST), datetime(2021, 1, 1, tzinfo=EAST)),
        (None, None),
    ],
)
def test_the_last_and_the_first_moment_are_a_second_within(time: datetime | None, stored: datetime | None) -> None:
    assert within(time) == stored
    assert within(datetime.max) == datetime.max, "Orion refuses a time without a zone itself"
