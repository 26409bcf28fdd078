"""Prints each measurement when it is made, and keeps it."""

from __future__ import annotations

import statistics
from typing import Any

from cli.programs import say
from dev.bench.results import amount


class Measurements:
    """All measurements by name, with their unit."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.units: dict[str, str] = {}

    def add(self, name: str, value: float, unit: str = "s") -> None:
        """Adds a measurement, and prints it."""
        say(f"    {name}: {amount(value, unit)}")
        self.values.setdefault(name, []).append(value)
        self.units[name] = unit

    def median(self, name: str) -> float:
        """Returns the median of the measurements of that name."""
        return statistics.median(self.values[name])

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Returns all measurements by name."""
        return {name: {"unit": self.units[name], "values": values} for name, values in self.values.items()}
