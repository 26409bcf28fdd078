"""The report of a run: rows in every store, and seconds in every stage."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from orionbox.trips import kinds
from orionbox.trips.months import csv_name

STORES = ("source", "parquet", "bigquery", "postgres")
"""The places where rows are counted: the source file, and the three stores."""
STORE_TITLES = dict(zip(STORES, ("source file", "parquet", "BigQuery", "Postgres")))
"""How a table of counts calls them."""
STAGES = ("fetch", "clean", "write", "upload", "bigquery", "postgres")
ARTIFACT_KEY = "etl-report"
SUMMARY_KEY = "etl-summary"
MOST_ROWS = 2**63
"""More rows than any store can have."""
Item = TypeVar("Item")


@dataclass
class Stopwatch:
    """Seconds by stage. Stages that overlap count in full."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Adds the time inside the block to the stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)

    def wait(self, stage: str, items: Iterable[Item], sign: int = 1) -> Iterator[Item]:
        """Passes the items on, and adds the time of waiting for each to the stage; subtracts it with `sign=-1`."""
        iterator = iter(items)
        while True:
            start = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.add(stage, sign * (time.perf_counter() - start))
            yield item

    def add(self, stage: str, seconds: float) -> None:
        """Adds seconds to the stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


@dataclass(frozen=True)
class MonthReport:
    """The report of one month: rows in each of `STORES`, seconds in each of `STAGES`."""

    color: str
    year: int
    month: int
    source: str
    rows: dict[str, int]
    seconds: dict[str, float]

    @property
    def counts_match(self) -> bool:
        """Returns whether every store has as many rows as the source file."""
        return len(set(self.rows.values())) == 1

    def flat(self) -> dict[str, str | int | float]:
        """Returns the report as one table row; nested names become names like `rows.parquet`."""
        row: dict[str, str | int | float] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                row |= {f"{name}.{key}": round(inner, 3) for key, inner in value.items()}
            else:
                row[name] = value
        return row


def summary(reports: Sequence[MonthReport], page: str, cloud: str) -> str:
    """Returns counts and times as Markdown, with a link to the run's page, and a sentence about the cloud."""
    head = ["| month | data | source file | parquet | BigQuery | Postgres | seconds |", "|---|---|--:|--:|--:|--:|--:|"]
    rows = [_markdown_row(report) for report in reports]
    verdict = "Every row is accounted for." if all(report.counts_match for report in reports) else "The counts differ."
    times = "Seconds are summed over a month's stages; some of these overlap."
    warning = not_real([asdict(report) for report in reports])
    notes = ["", f"**{warning[:1].upper()}{warning[1:]}**"] if warning else []
    return "\n".join(
        [*head, *rows, *notes, "", f"{verdict} {times} {cloud}", "", f"[Charts of this run, and its numbers]({page})"]
    )


def not_real(months: Sequence[dict[str, Any]]) -> str:
    """Returns one line that names the months that are not real; empty if all are.

    Args:
        months: the reports of months as dictionaries, of this version or of 0.2.0.
    """
    names = [f"{month['color']} {month['year']}-{month['month']:02}" for month in months]
    words = [kinds.current_word(month["source"]) for month in months]
    return kinds.warning([(name, word, month["rows"]["source"]) for name, word, month in zip(names, words, months)])


def _markdown_row(report: MonthReport) -> str:
    counts = " | ".join(f"{report.rows[store]:,}" for store in STORES)
    name = f"{report.color} {report.year}-{report.month:02}"
    return f"| {name} | {report.source} | {counts} | {sum(report.seconds.values()):.2f} |"


def page_name(name: str, run_id: str) -> str:
    """Returns the file name of a run's page: its name in Orion in plain letters, and the start of its id."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"
    return f"{plain}-{run_id[:8]}.html"


def differences(reports: Sequence[MonthReport]) -> list[str]:
    """Returns one line per month whose counts differ."""
    return [
        f"{csv_name(report.color, report.year, report.month)}: "
        + ", ".join(f"{store} {count:,}" for store, count in report.rows.items())
        for report in reports
        if not report.counts_match
    ]


def months_in(found: object) -> list[dict[str, Any]]:
    """Returns the rows of a table from Orion if they are those of `MonthReport.flat`, else none.

    Any flow may leave a table under the same name, with any content.
    """
    return list(found) if isinstance(found, list) and all(map(_is_month, found)) else []


def _is_month(row: object) -> bool:
    if not isinstance(row, dict):
        return False
    counts = [row.get(f"rows.{store}") for store in STORES]
    seconds = [value for name, value in row.items() if str(name).startswith("seconds.")]
    texts, (year, month) = [row.get("color"), row.get("source")], (row.get("year"), row.get("month"))
    return (
        all(isinstance(text, str) and re.fullmatch("[a-z]{0,20}", text) for text in texts)
        and all(type(count) is int and 0 <= count < MOST_ROWS for count in counts)
        and all(type(value) in (int, float) and 0 <= value < MOST_ROWS for value in seconds)
        and type(year) is int
        and type(month) is int
        and (1 <= year <= 9999 and 1 <= month <= 12)
    )


def unflatten(row: dict[str, Any]) -> dict[str, Any]:
    """Turns `{"rows.parquet": 1}` into `{"rows": {"parquet": 1}}`."""
    nested: dict[str, Any] = {}
    for name, value in row.items():
        head, dot, tail = name.partition(".")
        if dot:
            nested.setdefault(head, {})[tail] = value
        else:
            nested[name] = value
    return nested
