"""The taxi files that programs of the platform have fetched last, and the kind of their data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orionbox.trips.kinds import KINDS
from services.start.status import Platform, ago

SHOWN = 8


@dataclass(frozen=True)
class FetchedFile:
    """A file, as one line."""

    name: str
    kind: str
    rows: int
    when: str


async def last_fetched(platform: Platform) -> list[FetchedFile]:
    """Returns the newest files; none if the stand-in for the internet does not answer, or has served none."""
    try:
        found = await platform.fetched_files()
        return [_line(entry) for entry in found if entry["kind"] in KINDS][:SHOWN]
    except (LookupError, TypeError, ValueError):  # not the list that the stand-in writes
        return []


def _line(entry: Any) -> FetchedFile:
    when = ago(entry["when"], datetime.now(UTC))
    return FetchedFile(str(entry["file"]).rpartition("/")[2], entry["kind"], int(entry["rows"]), when)
