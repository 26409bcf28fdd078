"""The page's figures: each a chart, what it shows, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.start.run_page import charts
from services.start.run_page.facts import Facts


@dataclass(frozen=True)
class Figure:
    """A chart with its numbers as a table, whose first column names what the others count."""

    name: str
    title: str
    drawing: str
    """SVG."""
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def figures(facts: Facts) -> list[Figure]:
    """In the order in which they are read; what trips of this colour have no record of is left out."""
    on_record = ((_fares, facts.fares), (_zones, facts.zones), (_payments, facts.payments))
    drawn = [figure(facts) for figure, numbers in on_record if numbers]
    return [_stages(facts), _days(facts), _hours(facts), *drawn, _nulls(facts)]


def _stages(facts: Facts) -> Figure:
    bars = [(stage.name, stage.seconds) for stage in facts.stages]
    rows = [(stage.name, f"{stage.seconds:.2f}", f"{stage.rows_per_second:,}") for stage in facts.stages]
    note = "All months added up. Stages run side by side: their sum may be more than the run took."
    drawing = charts.rows(bars, "{:.2f} s")
    return Figure("stages", "Where the time went", drawing, ("stage", "seconds", "rows a second"), rows, note)


def _days(facts: Facts) -> Figure:
    rows = _numbers([(day.isoformat(), count) for day, count in facts.days])
    note = f"{facts.outside:,} trips are dated outside their months, and not drawn." if facts.outside else ""
    return Figure("days", "Trips by day", charts.days(facts.days), ("day", "trips"), rows, note)


def _hours(facts: Facts) -> Figure:
    drawing = charts.columns(facts.hours, "hour of the day in which the trip begins")
    return Figure("hours", "Trips by hour", drawing, ("hour", "trips"), _numbers(facts.hours))


def _fares(facts: Facts) -> Figure:
    note = f"${facts.money['total']:,.0f} were paid in all, of which ${facts.money['tips']:,.0f} are tips."
    drawing = charts.columns(facts.fares, "fare in dollars, from")
    return Figure("fares", "Fares", drawing, ("dollars, from", "trips"), _numbers(facts.fares), note)


def _zones(facts: Facts) -> Figure:
    note = "" if facts.zones_are_named else "The zones' names are not here: put taxi_zone_lookup.csv into data/misc/."
    rows = _numbers(facts.zones)
    return Figure("zones", "Where most trips begin", charts.rows(facts.zones), ("zone", "trips"), rows, note)


def _payments(facts: Facts) -> Figure:
    return Figure("payments", "Paid by", charts.rows(facts.payments), ("payment", "trips"), _numbers(facts.payments))


def _nulls(facts: Facts) -> Figure:
    shares = [(name, 100 * count / facts.trips) for name, count in facts.nulls if count]
    complete = len(facts.nulls) - len(shares)
    note = f"Share of the trips that have nothing in the column. {complete} other columns are filled in all trips."
    drawing = charts.rows(shares, "{:.1f} %") if shares else ""
    return Figure("nulls", "Nothing entered", drawing, ("column", "trips without"), _numbers(facts.nulls), note)


def _numbers(bars: Sequence[tuple[str, int]]) -> list[tuple[str, str]]:
    return [(name, f"{count:,}") for name, count in bars]
