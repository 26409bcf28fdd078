"""What a run's page tells, asked of Orion, of BigQuery by SQL, and of the release for the zones' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from orionbox.runs.report import STAGES, STORES
from orionbox.trips.months import TripFile
from orionbox.trips.schema import TRIPS
from services.start.run_page.queries import FARE_STEP, Json, ask_all, counts_of, find_run, queries, zone_names

FARE_BARS = 10
"""Bars of the fares before the last, which is for all above."""
PAYMENTS = {1: "credit card", 2: "cash", 3: "no charge", 4: "dispute", 5: "unknown", 6: "voided"}
"""The TLC's data dictionary (https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page), payment_type."""
Bars = list[tuple[str, int]]


@dataclass(frozen=True)
class Stage:
    """A part of the run's work: its time, all months added up, and its pace."""

    name: str
    seconds: float
    rows_per_second: int


@dataclass(frozen=True)
class Facts:
    """Everything on the page."""

    run: Json
    months: list[Json]
    """The run's own table: a row for each month."""
    trips: int
    """Rows of these months that BigQuery has now."""
    stages: list[Stage]
    days: list[tuple[date, int]]
    outside: int
    """Trips dated outside their months."""
    hours: Bars
    fares: Bars
    payments: Bars
    zones: Bars
    nulls: list[tuple[str, int]]
    """For each column, how many trips have nothing in it."""
    money: Mapping[str, float]
    """Sums in dollars; none where no money is on record, nor fares and payments."""
    zones_are_named: bool

    @property
    def rows(self) -> int:
        """Rows of the source files."""
        return sum(int(month["rows.source"]) for month in self.months)

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return float(self.run["total_run_time"] or self.run["estimated_run_time"])

    @property
    def sources(self) -> list[str]:
        """Where the files came from."""
        return sorted({month["source"] or "not known" for month in self.months})

    @property
    def adds_up(self) -> bool:
        """Whether every store has each month's rows."""
        return all(len({month[f"rows.{store}"] for store in STORES}) == 1 for month in self.months)


def gather(run_id: str) -> Facts:
    """Asks everything.

    Raises:
        UnknownRunError: Orion has no such run of the main job.
        OSError: a service does not answer.
    """
    run, months = find_run(run_id), counts_of(run_id)
    color = months[0]["color"]
    files = [TripFile(color, month["year"], month["month"]) for month in months]
    answers = ask_all(queries(color, files))
    names = zone_names()
    days = [(date.fromisoformat(day), int(count)) for day, count in answers["days"]]
    inside = [(day, count) for day, count in days if TripFile(color, day.year, day.month) in files]
    columns = TRIPS[color].names
    trips, *present = map(int, answers["columns"][0])
    fares, payments, zones = (answers.get(name, []) for name in ("fares", "payments", "zones"))
    return Facts(
        run=run,
        months=months,
        trips=trips,
        stages=stages(months),
        days=inside,
        outside=trips - sum(count for _, count in inside),
        hours=fill_hours({int(hour): int(count) for hour, count in answers["hours"]}),
        fares=fare_bars({int(step): int(count) for step, count in fares if step is not None}),
        payments=[(PAYMENTS.get(int(kind or 0), "not entered"), int(count)) for kind, count in payments],
        zones=[(names.get(zone or "", f"zone {zone}"), int(count)) for zone, count in zones],
        nulls=[(column, trips - count) for column, count in zip(columns, present, strict=True)],
        money=dict(zip(("fares", "tips", "total"), map(float, answers.get("money", [[]])[0]), strict=False)),
        zones_are_named=bool(names),
    )


def stages(months: list[Json]) -> list[Stage]:
    """Time and pace of each stage; stages overlap, so they add up to more than the run took."""
    rows = sum(int(month["rows.source"]) for month in months)
    spent = {name: sum(float(month.get(f"seconds.{name}", 0)) for month in months) for name in STAGES}
    return [Stage(name, seconds, round(rows / seconds) if seconds else 0) for name, seconds in spent.items()]


def fill_hours(counts: Mapping[int, int]) -> Bars:
    """A bar for each hour of the day."""
    return [(f"{hour:02}", counts.get(hour, 0)) for hour in range(24)]


def fare_bars(counts: Mapping[int, int]) -> Bars:
    """Fares by steps of dollars, a bar for what is below zero (refunds mostly) and one for all above; or none."""
    if not counts:
        return []
    last = FARE_BARS * FARE_STEP
    bars = [("< 0", sum(count for step, count in counts.items() if step < 0))]
    bars += [(f"{step * FARE_STEP}", counts.get(step, 0)) for step in range(FARE_BARS)]
    return [*bars, (f"{last}+", sum(count for step, count in counts.items() if step >= FARE_BARS))]
