"""Progress bars, drawn from what the log says."""

from __future__ import annotations

import io

import pytest

from cli.runs.progress_bars import WIDTH, Bars, bar
from orionbox.runs.progress import Progress

SOURCE, TARGET = (
    "yellow_tripdata_2021-01.csv.gz",
    "gs://prefect-de-zoomcamp/data/yellow/yellow_tripdata_2021-01.parquet",
)
HALF = f"{SOURCE}: 500,000 rows -> {TARGET} so far, 50 %"
ALL = f"{SOURCE}: 1,000,000 rows -> {TARGET} (import)"


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


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


def test_the_end_of_one_load_leaves_the_bars_of_other_stores() -> None:
    stream = Terminal()
    bars = Bars(stream)
    bars.print([("", f"{TARGET}: 1 rows -> Postgres so far, 50 %"), ("", f"{TARGET}: 2 rows -> BigQuery d.t")])
    assert "50 %" in stream.getvalue().splitlines()[-1]


def test_a_bar_fits_its_line() -> None:
    assert len(bar(Progress(SOURCE, TARGET, "1", 100), 40)) < 40
