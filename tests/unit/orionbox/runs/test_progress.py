"""The progress of a month, reported and parsed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from orionbox.runs import progress
from orionbox.runs.progress import Progress, parse, with_progress

SOURCE, TARGET = "yellow_tripdata_2021-01.csv.gz", "gs://bucket/data/yellow/yellow_tripdata_2021-01.parquet"


@dataclass
class Rows:
    """A batch."""

    num_rows: int


BATCHES = [Rows(3), Rows(1)]


def test_a_report_can_be_parsed_and_changes_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0)
    lines: list[str] = []
    assert list(with_progress(BATCHES, lines.append, SOURCE, TARGET, lambda rows: rows / 4)) == BATCHES
    assert [parse(line) for line in lines] == [Progress(SOURCE, TARGET, "3", 75), Progress(SOURCE, TARGET, "4", 100)]


def test_a_short_month_is_not_reported() -> None:
    lines: list[str] = []
    assert list(with_progress(BATCHES, lines.append, SOURCE, TARGET, lambda rows: rows / 4)) == BATCHES
    assert lines == []


def test_a_source_that_has_grown_is_at_most_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0)
    lines: list[str] = []
    list(with_progress(BATCHES, lines.append, SOURCE, TARGET, lambda rows: 1.7))
    assert all(line.endswith(" 100 %") for line in lines)


@pytest.mark.parametrize("message", ["", "Created task run", "3 rows -> Postgres", "a b: 3 rows -> Postgres"])
def test_other_lines_say_nothing_of_progress(message: str) -> None:
    assert parse(message) is None
