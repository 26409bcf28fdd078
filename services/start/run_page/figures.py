"""The figures of the page: a chart, a note and the numbers of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.start.run_page import charts
from services.start.run_page.facts import Facts


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


def figures(facts: Facts) -> list[Figure]:
    """Returns the figures in reading order, without those that trips of this color have no columns for."""
    optional = ((_fares, facts.fares), (_zones, facts.zones), (_payments, facts.payments))
    drawn = [figure(facts) for figure, numbers in optional if numbers]
    return [_stages(facts), _days(facts), _hours(facts), *drawn, _nulls(facts)]


def _stages(facts: Facts) -> Figure:
    bars = [(stage.name, stage.seconds) for stage in facts.stages]
    rows = [(stage.name, f"{stage.seconds:.2f}", f"{stage.rows_per_second:,}") for stage in facts.stages]
    note = "All months together. Stages run side by side, so their sum may be more than the run took."
    drawing = charts.rows(bars, "{:.2f} s")
    return Figure("stages", "Where the time went", drawing, ("stage", "seconds", "rows a second"), rows, note)


def _days(facts: Facts) -> Figure:
    rows = _numbers([(day.isoformat(), count) for day, count in facts.days])
    note = f"Not shown: {facts.outside:,} trips dated outside their months, or without a date." if facts.outside else ""
    return Figure("days", "Trips by day", charts.days(facts.days), ("day", "trips"), rows, note)


def _hours(facts: Facts) -> Figure:
    drawing = charts.columns(facts.hours, "hour in which the trip begins")
    return Figure("hours", "Trips by hour", drawing, ("hour", "trips"), _numbers(facts.hours))


def _fares(facts: Facts) -> Figure:
    note = f"Passengers paid ${facts.money['total']:,.0f} in all, ${facts.money['tips']:,.0f} of it as tips."
    drawing = charts.columns(facts.fares, "fare in dollars, from")
    return Figure("fares", "Fares", drawing, ("dollars, from", "trips"), _numbers(facts.fares), note)


def _zones(facts: Facts) -> Figure:
    note = "" if facts.zones_are_named else "To see the zones' names, put taxi_zone_lookup.csv into data/misc/."
    rows = _numbers(facts.zones)
    return Figure("zones", "Busiest pickup zones", charts.rows(facts.zones), ("zone", "trips"), rows, note)


def _payments(facts: Facts) -> Figure:
    return Figure("payments", "Payments", charts.rows(facts.payments), ("payment", "trips"), _numbers(facts.payments))


def _nulls(facts: Facts) -> Figure:
    shares = [(name, 100 * count / facts.trips) for name, count in facts.nulls if count]
    complete = len(facts.nulls) - len(shares)
    note = f"Share of the trips without a value in the column. {complete} other columns have no missing values."
    drawing = charts.rows(shares, "{:.1f} %") if shares else ""
    return Figure("nulls", "Missing values", drawing, ("column", "trips without"), _numbers(facts.nulls), note)


def _numbers(bars: Sequence[tuple[str, int]]) -> list[tuple[str, str]]:
    return [(name, f"{count:,}") for name, count in bars]
