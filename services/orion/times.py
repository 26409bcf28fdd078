"""The last moment of the year 9999 is stored as one a second earlier.

asyncpg writes `datetime.max` as PostgreSQL's `infinity`, which it then reads as a time without a zone: Orion could list
no run any more (https://magicstack.github.io/asyncpg/current/usage.html#type-conversion).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(seconds=1)
EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(seconds=1)


def limit() -> None:
    """Limits every time that Orion stores."""
    from prefect.server.utilities.database import Timestamp

    store = Timestamp.process_bind_param

    def process_bind_param(self: Any, value: Any, dialect: Any) -> Any:
        return store(self, within(value), dialect)

    Timestamp.process_bind_param = process_bind_param


def within(value: Any) -> Any:
    """Returns the nearest time that PostgreSQL gives back as it was."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value if EARLIEST < value < LATEST else min(max(value, EARLIEST), LATEST)
    return value
