"""The benchmarks' own arithmetic: rows, goals, tables, and what is read from the machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cli.runtimes.compose import engine
from dev import docs_tables, throwaway_platform
from dev.bench import __main__ as bench
from dev.bench import report, results, runs
from dev.bench.comparisons import check, measure_in_turn
from dev.bench.inside.imports import by_package
from dev.bench.measurements import Measurements
from dev.bench.results import Row, at_most, close_to, faster, missed, not_measured, table, without_verdict
from dev.bench.topics import memory, startup
from orionbox.errors import BadInputError, CommandError
from tests.conftest import ROOT


def test_a_speed_up_is_met_at_its_goal_and_missed_below() -> None:
    assert faster("load", 2, 60, 30) == Row("load", 2, "s", 60, 30, ">= 30x faster", True)
    assert faster("load", 2, 59, 30).ok is False


def test_a_limit_is_met_at_its_goal_and_missed_above() -> None:
    assert close_to("load", 2.8, 2, 1.4) == Row("load", 2.8, "s", 2, 1.4, "<= 1.4x", True)
    assert close_to("load", 2.9, 2, 1.4).ok is False
    assert at_most("memory", 600, 600, "MB").ok and at_most("memory", 601, 600, "MB").ok is False


def test_a_row_that_was_not_measured_says_why_and_misses_no_goal() -> None:
    row = not_measured("memory", "MB", "<= 600 MB", "no processes seen")
    assert missed([row]) == []
    assert "not judged: no processes seen" in table([row])
    assert results.to_json(row)["ok"] is None


def test_a_small_month_is_measured_but_not_judged() -> None:
    row = without_verdict(faster("load", 2, 4, 30), "10 rows")
    assert (row.ok, row.ratio, row.reason) == (None, 2, "10 rows")
    assert without_verdict(not_measured("x", "s", "", "no engine"), "10 rows").reason == "no engine"


def test_the_results_file_has_its_keys_and_can_be_read(tmp_path: Path) -> None:
    rows = [faster("load", 2, 60, 30), not_measured("other", "s", "<= 2x", "not here")]
    path = tmp_path / "reports" / "bench.json"
    results.write(path, [results.to_json(row) for row in rows])
    written = json.loads(path.read_text())
    assert list(written[0]) == ["name", "value", "unit", "baseline", "ratio", "goal", "ok"]
    assert written[1]["reason"] == "not here"
    assert results.read(path) == rows


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(2.345, "s", "2.35 s"), (0.01315, "s", "13.2 ms"), (1234.5, "MB", "1,234 MB"), (None, "s", "")],
)
def test_amounts_have_about_three_digits(value: float | None, unit: str, text: str) -> None:
    assert results.amount(value, unit) == text


def test_programs_are_measured_in_turn_and_their_rows_are_checked() -> None:
    measurements, calls = Measurements(), list[str]()

    def run(name: str, rows: int) -> dict[str, float]:
        calls.append(name)
        return {"seconds": float(len(calls)), "rows": rows}

    programs = {"ours": lambda: run("ours", 10), "course": lambda: run("course", 9)}
    order = ["ours", "course", "ours"]
    measure_in_turn("load", programs, order, {"all": 10, "course": 9}, measurements)
    assert calls == order
    assert measurements.median("load, ours") == 2.0
    with pytest.raises(CommandError, match="load, course: 9 rows, expected 10"):
        measure_in_turn("load", programs, ["course"], {"all": 10}, measurements)


def test_a_count_that_differs_ends_the_benchmark() -> None:
    check("file", 1_000, 1_000)
    with pytest.raises(CommandError, match="file: 999 rows, expected 1,000"):
        check("file", 999, 1_000)


@pytest.mark.parametrize(
    ("usage", "size"), [("512KiB / 1GiB", 2**19), ("101.5MiB / 1GiB", 101.5 * 2**20), ("1.5GiB / 2GiB", 1.5 * 2**30)]
)
def test_docker_s_sizes_are_read(usage: str, size: float) -> None:
    assert startup.parse_bytes(usage) == size


def test_idle_memory_is_by_service_with_the_largest_first() -> None:
    lines = "bench-1-gcs-1 10MiB / 1GiB\nbench-1-docker-proxy-1 20MiB / 128MiB\n"
    assert startup.parse_memory(lines, "bench-1") == {"docker-proxy": 20 * 2**20 / 1e6, "gcs": 10 * 2**20 / 1e6}


def test_a_process_has_a_high_water_mark_until_it_ends() -> None:
    assert memory.high_water_mark(os.getpid()) > 1_000
    assert memory.high_water_mark(2**22 + 1) == 0


def test_orion_s_timestamps_are_read() -> None:
    assert runs.seconds_between("2026-01-01T00:00:00.500000+00:00", "2026-01-01T00:00:02Z") == 1.5


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--only=ingest,nothing", "unknown topic nothing; use some of ingest,web_to_gcs"),
        ("--rows=many", "many: not a number of rows"),
        ("--rows=0", "0: not a number of rows"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(
    argument: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "unavailable_reason", lambda: pytest.fail("the engine was asked"))
    with pytest.raises(BadInputError, match=text):
        bench.main([argument])


def test_topics_and_rows_have_defaults() -> None:
    assert bench.parse([]) == (list(bench.TOPICS), bench.MONTH_ROWS)
    assert bench.parse(["--only=memory,ingest", "--rows=10"]) == (["memory", "ingest"], 10)


def test_without_an_engine_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "unavailable_reason", lambda: "no Docker engine answers")
    monkeypatch.setattr(throwaway_platform, "copy_checkout", lambda root: pytest.fail("a copy was made"))
    with pytest.raises(CommandError, match="no Docker engine answers, and make bench needs Docker; on Debian"):
        bench.main([])


RUN = {
    "rows": 1_369_765,
    "date": "2026-01-01",
    "seconds": 600,
    "machine": {"processor": "P", "cores": 2, "memory_gb": 8, "system": "Linux x86_64", "load_at_start": 0.1},
    "versions": {"pandas": "2.0"},
    "measurements": {"load, ours": {"unit": "s", "values": [1.0, 3.0, 2.0]}},
}


def test_results_replace_only_the_text_between_the_page_s_marks() -> None:
    page, marks = (ROOT / "dev/bench/README.md").read_text(), (report.BEGIN, report.END, report.PAGE)
    written = docs_tables.replace_between_marks(page, report.results([faster("load", 2, 60, 30)], RUN), *marks)
    assert "| load | 2.00 s | 60.0 s | 30.0x | >= 30x faster | met |" in written
    assert "| load, ours | 2.00 s | 1.00, 3.00, 2.00 |" in written
    assert written.partition(report.BEGIN)[0] == page.partition(report.BEGIN)[0]
    assert written.partition(report.END)[2] == page.partition(report.END)[2]
    assert docs_tables.replace_between_marks(written, "new", *marks) == docs_tables.replace_between_marks(
        page, "new", *marks
    )


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(CommandError, match="has no place for results"):
        docs_tables.replace_between_marks("# a page", "text", report.BEGIN, report.END, report.PAGE)


def test_imports_are_summed_by_package() -> None:
    report = "import time: self [us] | cumulative | imported package\n" + "".join(
        f"import time: {time:>9} | {time:>10} | {name}\n"
        for time, name in [(500_000, "  prefect.client"), (250_000, "prefect"), (9, "b"), (8, "c"), (7, "d"), (6, "e")]
    )
    assert by_package(report) == {"prefect": 0.75, "b": 9e-6, "c": 8e-6, "d": 7e-6, "others": 6e-6}
