"""Ways of doing the same thing, measured in turn and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dev.bench.measurements import Samples
from orionbox.errors import CommandError
from orionbox.trips.months import TripFile

MONTH = TripFile("yellow", 2021, 1)
"""The month that all comparisons are about."""
Measure = Callable[[], Mapping[str, Any]]
"""Does it once: `seconds`, the `rows` that then are there, and perhaps the seconds of its `stages`."""


def arguments(trips: TripFile) -> tuple[str, str, str]:
    """A month as the programs of `inside` take it."""
    return trips.color, str(trips.year), str(trips.month)


def check(what: str, rows: int, expected: int) -> None:
    """Holds a count against what it must be.

    Raises:
        CommandError: it differs, so what was measured was something else.
    """
    if rows != expected:
        raise CommandError(f"{what}: {rows:,} rows where there must be {expected:,}; the measurement is void")


def take_turns(
    topic: str, ways: Mapping[str, Measure], turns: Sequence[str], expected: Mapping[str, int], samples: Samples
) -> None:
    """Measures the ways in the order of `turns`, so that what else the machine does falls on all of them."""
    for way in turns:
        done = ways[way]()
        check(f"{topic}, {way}", done["rows"], expected.get(way, expected["all"]))
        samples.note(f"{topic}, {way}", done["seconds"])
        for stage, seconds in done.get("stages", {}).items():
            samples.note(f"{topic}, {way}, of it {stage}", seconds)
