"""Measures several programs that do the same work, in turn, and checks that each did it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dev.bench.measurements import Measurements
from orionbox.errors import CommandError
from orionbox.trips.months import TripFile

MONTH = TripFile("yellow", 2021, 1)
"""The month of all comparisons."""
Measure = Callable[[], Mapping[str, Any]]
"""Does the work once; returns its `seconds`, the `rows` in the store, and perhaps the seconds of its `stages`."""


def arguments(trips: TripFile) -> tuple[str, str, str]:
    """Returns a month as arguments of the programs in `inside`."""
    return trips.color, str(trips.year), str(trips.month)


def check(what: str, rows: int, expected: int) -> None:
    """Compares a count with the expected one.

    Raises:
        CommandError: the count differs, so the program did other work.
    """
    if rows != expected:
        raise CommandError(f"{what}: {rows:,} rows, expected {expected:,}; measurement discarded")


def measure_in_turn(
    topic: str,
    programs: Mapping[str, Measure],
    order: Sequence[str],
    expected: Mapping[str, int],
    measurements: Measurements,
) -> None:
    """Measures the programs in this order, so that other load on the machine affects all of them.

    Args:
        topic: the beginning of each measurement's name.
        programs: by name.
        order: their names, each as often as it is measured.
        expected: the rows that each must leave, by name; `all` for the rest.
        measurements: takes the seconds.
    """
    for name in order:
        done = programs[name]()
        check(f"{topic}, {name}", done["rows"], expected.get(name, expected["all"]))
        measurements.add(f"{topic}, {name}", done["seconds"])
        for stage, seconds in done.get("stages", {}).items():
            measurements.add(f"{topic}, {name}, of it {stage}", seconds)
