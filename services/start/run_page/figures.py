"""The figures of the page: a chart, a note and the numbers of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.start.run_page import charts
from services.start.run_page.facts import RunFacts


@dataclass(frozen=True)
class Figure:
    """A chart with its numbers as a table. The table's first column names what the others count."""

    name: str
    title: str
    drawing: str
    """SVG."""
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def figures(facts: RunFacts) -> list[Figure]:
    """Returns the figures in reading order, without those that trips of this color have no columns for."""
    optional = ((_fares, facts.fares), (_zones, facts.zones), (_payments, facts.payments))
    drawn = [figure(facts) for figure, numbers in optional if numbers]
    return [_stages(facts), _days(facts), _hours(facts), *drawn, _nulls(facts)]


def _stages(facts: RunFacts) -> Figure:
    bars = [(stage.name, stage.seconds) for stage in facts.stages]
    rows = [(stage.name, f"{stage.seconds:.2f}", f"{stage.rows_per_second:,}") for stage in facts.stages]
    note = "All months together. Stages run side by side, so their sum may be more than the run took."
    drawing = charts.horizontal_bars(bars, "{:.2f} s")
    return Figure("stages", "Where the time went", drawing, ("stage", "seconds", "rows per second"), rows, note)


def _days(facts: RunFacts) -> Figure:
    rows = _numbers([(day.isoformat(), count) for day, count in facts.days])
    outside = facts.trips_outside_month
    note = f"Not shown: {outside:,} trips dated outside their months, or without a date." if outside else ""
    return Figure("days", "Trips by day", charts.daily_bars(facts.days), ("day", "trips"), rows, note)


def _hours(facts: RunFacts) -> Figure:
    drawing = charts.vertical_bars(facts.hours, "hour in which the trip begins")
    return Figure("hours", "Trips by hour", drawing, ("hour", "trips"), _numbers(facts.hours))


def _fares(facts: RunFacts) -> Figure:
    note = f"Passengers paid ${facts.money['total']:,.0f} in all, ${facts.money['tips']:,.0f} of it as tips."
    drawing = charts.vertical_bars(facts.fares, "fare in dollars, from")
    return Figure("fares", "Fares", drawing, ("dollars, from", "trips"), _numbers(facts.fares), note)


def _zones(facts: RunFacts) -> Figure:
    note = "" if facts.zones_are_named else "To see the zones' names, put taxi_zone_lookup.csv into data/misc/."
    rows = _numbers(facts.zones)
    return Figure("zones", "Busiest pickup zones", charts.horizontal_bars(facts.zones), ("zone", "trips"), rows, note)


def _payments(facts: RunFacts) -> Figure:
    return Figure(
        "payments", "Payments", charts.horizontal_bars(facts.payments), ("payment", "trips"), _numbers(facts.payments)
    )


def _nulls(facts: RunFacts) -> Figure:
    shares = [(name, 100 * count / facts.trips) for name, count in facts.nulls if count]
    complete = len(facts.nulls) - len(shares)
    note = f"Share of the trips without a value in the column. {complete} other columns have no missing values."
    drawing = charts.horizontal_bars(shares, "{:.1f} %") if shares else ""
    return Figure("nulls", "Missing values", drawing, ("column", "trips without"), _numbers(facts.nulls), note)


def _numbers(bars: Sequence[tuple[str, int]]) -> list[tuple[str, str]]:
    return [(name, f"{count:,}") for name, count in bars]
