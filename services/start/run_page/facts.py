"""Gathers the facts on a run's page: from Orion, from BigQuery by SQL, and zone names from the taxi release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from orionbox.orion.client import Json
from orionbox.runs.report import STAGES, STORES
from orionbox.trips.kinds import current_word
from orionbox.trips.months import csv_name
from orionbox.trips.schema import COLUMNS
from services.start.run_page.queries import (
    FARE_STEP,
    UnknownRunError,
    ask_all,
    count_table,
    find_run,
    queries,
    zone_names,
)

FARE_BARS = 10
"""Bars of the fares, without the last one for all higher fares."""
PAYMENTS = {0: "flex fare", 1: "credit card", 2: "cash", 3: "no charge", 4: "dispute", 5: "unknown", 6: "voided"}
"""The TLC's data dictionary (https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page), payment_type."""
Bars = list[tuple[str, int]]


@dataclass(frozen=True)
class Stage:
    """A stage of the run's work: its time in all months, and its speed."""

    name: str
    seconds: float
    rows_per_second: int


@dataclass(frozen=True)
class RunFacts:
    """Everything on the page."""

    run: Json
    months: list[Json]
    """The run's own count table: a row for each month."""
    trips: int
    """Rows of these months that BigQuery holds now."""
    stages: list[Stage]
    days: list[tuple[date, int]]
    trips_outside_month: int
    """Trips without a pickup time in their months."""
    hours: Bars
    fares: Bars
    payments: Bars
    zones: Bars
    nulls: list[tuple[str, int]]
    """For each column, how many trips have no value in it."""
    money: Mapping[str, float]
    """Sums in dollars; empty for trips that have no columns about money."""
    zones_are_named: bool

    @property
    def rows(self) -> int:
        """Returns the rows of the source files."""
        return sum(int(month["rows.source"]) for month in self.months)

    @property
    def seconds(self) -> float:
        """Returns how many seconds the run took."""
        return float(self.run["total_run_time"] or self.run["estimated_run_time"])

    @property
    def sources(self) -> list[str]:
        """Returns the kinds of the months' data."""
        return sorted({current_word(month["source"]) or "not known" for month in self.months})

    @property
    def counts_match(self) -> bool:
        """Returns whether every store has all rows of each month."""
        return all(len({month[f"rows.{store}"] for store in STORES}) == 1 for month in self.months)


def gather_facts(run_id: str) -> RunFacts:
    """Asks Orion, BigQuery and the release.

    Raises:
        UnknownRunError: Orion has no such run of the main job.
        OSError: a service does not answer.
    """
    run, months = find_run(run_id), count_table(run_id)
    color = months[0]["color"]
    if color not in COLUMNS:  # any flow may leave such a table
        raise UnknownRunError(f"run {run_id} is none of the main job: its trips are {color!r}")
    # Dates in the trips may be in any year, so TripFile's validation does not apply
    year_months = [(month["year"], month["month"]) for month in months]
    answers = ask_all(queries(color, [csv_name(color, year, month) for year, month in year_months]))
    names = zone_names()
    days = [(date.fromisoformat(day), int(count)) for day, count in answers["days"] if day is not None]
    inside = [(day, count) for day, count in days if (day.year, day.month) in year_months]
    trips, *present = map(int, answers["columns"][0])
    fares, payments, zones = (answers.get(name, []) for name in ("fares", "payments", "zones"))
    money = [float(amount or 0) for amount in answers.get("money", [[]])[0]]
    return RunFacts(
        run=run,
        months=months,
        trips=trips,
        stages=stages(months),
        days=inside,
        trips_outside_month=trips - sum(count for _, count in inside),
        hours=fill_hours(counts_by_number(answers["hours"])),
        fares=fare_bars(counts_by_number(fares)),
        payments=[(payment_name(code), int(count)) for code, count in payments],
        zones=[(zone_name(zone, names), int(count)) for zone, count in zones],
        nulls=[(column, trips - count) for column, count in zip(COLUMNS[color], present, strict=True)],
        money=dict(zip(("fares", "tips", "total"), money, strict=False)),
        zones_are_named=bool(names),
    )


def counts_by_number(rows: list[list[Any]]) -> dict[int, int]:
    """Returns the counts by number, without that of missing values."""
    return {int(number): int(count) for number, count in rows if number is not None}


def payment_name(code: str | None) -> str:
    """Returns what the code of a payment means."""
    return "missing" if code is None else PAYMENTS.get(int(code), f"code {code}")


def zone_name(zone: str | None, names: Mapping[str, str]) -> str:
    """Returns the zone's name, or its number if the name is unknown."""
    return "missing" if zone is None else names.get(zone, f"zone {zone}")


def stages(months: list[Json]) -> list[Stage]:
    """Returns time and speed of each stage. Stages overlap, so their sum is more than the run took."""
    rows = sum(int(month["rows.source"]) for month in months)
    spent = {name: sum(float(month.get(f"seconds.{name}", 0)) for month in months) for name in STAGES}
    return [Stage(name, seconds, round(rows / seconds) if seconds else 0) for name, seconds in spent.items()]


def fill_hours(counts: Mapping[int, int]) -> Bars:
    """Returns a bar for each hour of the day."""
    return [(f"{hour:02}", counts.get(hour, 0)) for hour in range(24)]


def fare_bars(counts: Mapping[int, int]) -> Bars:
    """Returns bars of the fares: one below zero (mostly refunds), one per step, one for all above; or none."""
    if not counts:
        return []
    last = FARE_BARS * FARE_STEP
    bars = [("< 0", sum(count for step, count in counts.items() if step < 0))]
    bars += [(f"{step * FARE_STEP}", counts.get(step, 0)) for step in range(FARE_BARS)]
    return [*bars, (f"{last}+", sum(count for step, count in counts.items() if step >= FARE_BARS))]
