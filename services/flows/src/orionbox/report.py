"""What a run moved, counted in every store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from orionbox.trips import TripFile

STORES = ("source", "parquet", "bigquery", "postgres")
STAGES = ("fetch", "clean", "write", "upload", "bigquery", "postgres")
ARTIFACT_KEY = "etl-report"


@dataclass
class Stopwatch:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Adds the time spent inside to the stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Adds seconds to the stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


@dataclass(frozen=True)
class MonthReport:
    """One month's way: rows in each of `STORES`, seconds in each of `STAGES`."""

    color: str
    year: int
    month: int
    source: str
    rows: dict[str, int]
    seconds: dict[str, float]

    @property
    def adds_up(self) -> bool:
        """Whether every store has as many rows as the source file."""
        return len(set(self.rows.values())) == 1

    def flat(self) -> dict[str, str | int | float]:
        """The report as one table row; a nested name becomes `rows.parquet`."""
        row: dict[str, str | int | float] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                row |= {f"{name}.{key}": round(inner, 3) for key, inner in value.items()}
            else:
                row[name] = value
        return row


def differences(reports: Sequence[MonthReport]) -> list[str]:
    """A line for each month whose counts differ."""
    return [
        f"{TripFile(report.color, report.year, report.month).csv_name}: "
        + ", ".join(f"{store} {count:,}" for store, count in report.rows.items())
        for report in reports
        if not report.adds_up
    ]
