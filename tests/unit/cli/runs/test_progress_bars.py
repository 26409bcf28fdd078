"""Progress of months: what the log says of it, and the bars that are made of that."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from cli.runs.progress_bars import WIDTH, Bars, bar
from orionbox.runs import progress
from orionbox.runs.progress import Progress, parse, told

SOURCE, TARGET = (
    "yellow_tripdata_2021-01.csv.gz",
    "gs://prefect-de-zoomcamp/data/yellow/yellow_tripdata_2021-01.parquet",
)
BATCHES = [pa.record_batch({"a": [1, 2, 3]}), pa.record_batch({"a": [4]})]
HALF = f"{SOURCE}: 500,000 rows -> {TARGET} so far, 50 %"
ALL = f"{SOURCE}: 1,000,000 rows -> {TARGET} (import)"


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def test_what_is_told_can_be_parsed_and_changes_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0)
    lines: list[str] = []
    assert list(told(BATCHES, lines.append, SOURCE, TARGET, lambda rows: rows / 4)) == BATCHES
    assert [parse(line) for line in lines] == [Progress(SOURCE, TARGET, "3", 75), Progress(SOURCE, TARGET, "4", 100)]


def test_a_short_month_is_not_talked_about() -> None:
    lines: list[str] = []
    assert list(told(BATCHES, lines.append, SOURCE, TARGET, lambda rows: rows / 4)) == BATCHES
    assert lines == []


def test_a_source_that_grew_is_at_most_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0)
    lines: list[str] = []
    list(told(BATCHES, lines.append, SOURCE, TARGET, lambda rows: 1.7))
    assert all(line.endswith(" 100 %") for line in lines)


@pytest.mark.parametrize("message", ["", "Created task run", "3 rows -> Postgres", "a b: 3 rows -> Postgres"])
def test_other_lines_say_nothing_of_progress(message: str) -> None:
    assert parse(message) is None


def test_in_a_file_progress_is_a_line_like_any_other() -> None:
    stream = io.StringIO()
    Bars(stream).print([("  1.0 s  ", HALF), ("  2.0 s  ", ALL)])
    assert stream.getvalue() == f"  1.0 s  {HALF}\n  2.0 s  {ALL}\n"


def test_on_a_terminal_a_bar_stands_below_the_lines_until_all_has_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    bars = Bars(stream)
    bars.print([("  1.0 s  ", HALF), ("  1.1 s  ", "something else")])
    half = (
        f"[{'#' * (WIDTH // 2)}{'.' * (WIDTH // 2)}]  50 %  500,000 rows  {SOURCE} -> yellow_tripdata_2021-01.parquet"
    )
    assert stream.getvalue() == f"  1.1 s  something else\n{half}\n"
    bars.print([])
    assert stream.getvalue().endswith(f"else\n{half}\n"), "what has not changed is not drawn again"
    bars.print([("  2.0 s  ", ALL)])
    assert stream.getvalue().endswith(f"{half}\n\x1b[1F\x1b[J  2.0 s  {ALL}\n")
    bars.clear()
    assert stream.getvalue().endswith(f"  2.0 s  {ALL}\n"), "there is nothing left to take away"


def test_another_store_s_end_is_not_this_one_s() -> None:
    stream = Terminal()
    bars = Bars(stream)
    bars.print([("", f"{TARGET}: 1 rows -> Postgres so far, 50 %"), ("", f"{TARGET}: 2 rows -> BigQuery d.t")])
    assert "50 %" in stream.getvalue().splitlines()[-1]


def test_a_bar_fits_its_line() -> None:
    assert len(bar(Progress(SOURCE, TARGET, "1", 100), 40)) < 40
