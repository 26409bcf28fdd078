"""The benchmarks' own arithmetic: rows, goals, tables, and what is read from the machine."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.bundle import checkout_copy
from dev import docs_tables, throwaway_platform
from dev.bench import __main__ as bench
from dev.bench import report, results, runs
from dev.bench.comparisons import check, take_turns
from dev.bench.inside.imports import by_package
from dev.bench.measurements import Samples
from dev.bench.results import Row, at_most, close_to, faster, missed, not_measured, table, unjudged
from dev.bench.topics import memory, startup
from orionbox.errors import CommandError
from tests.conftest import ROOT


def test_a_speed_up_is_met_at_its_goal_and_missed_below() -> None:
    assert faster("load", 2, 60, 30) == Row("load", 2, "s", 60, 30, ">= 30x faster", True)
    assert faster("load", 2, 59, 30).ok is False


def test_a_limit_is_met_at_its_goal_and_missed_above() -> None:
    assert close_to("load", 2.8, 2, 1.4) == Row("load", 2.8, "s", 2, 1.4, "<= 1.4x", True)
    assert close_to("load", 2.9, 2, 1.4).ok is False
    assert at_most("memory", 600, 600, "MB").ok and at_most("memory", 601, 600, "MB").ok is False


def test_what_was_not_measured_is_said_and_is_no_miss() -> None:
    row = not_measured("scaling, dask", "s", ">= 1x faster", "there is no such engine")
    assert missed([row]) == []
    assert "not judged: there is no such engine" in table([row])
    assert results.to_json(row)["ok"] is None


def test_a_small_month_is_measured_but_not_judged() -> None:
    row = unjudged(faster("load", 2, 4, 30), "10 rows")
    assert (row.ok, row.ratio, row.reason) == (None, 2, "10 rows")
    assert unjudged(not_measured("x", "s", "", "no engine"), "10 rows").reason == "no engine"


def test_the_file_holds_the_promised_keys_and_is_read_back(tmp_path: Path) -> None:
    rows = [faster("load", 2, 60, 30), not_measured("other", "s", "<= 2x", "not here")]
    path = tmp_path / "reports" / "bench.json"
    results.write(path, [results.to_json(row) for row in rows])
    written = json.loads(path.read_text())
    assert list(written[0]) == ["name", "value", "unit", "baseline", "ratio", "goal", "ok"]
    assert written[1]["reason"] == "not here"
    assert results.read(path) == rows


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(2.345, "s", "2.35 s"), (45.67, "s", "45.7 s"), (1234.5, "MB", "1,234 MB"), (None, "s", "")],
)
def test_amounts_have_three_digits_or_so(value: float | None, unit: str, text: str) -> None:
    assert results.amount(value, unit) == text


def test_ways_take_turns_and_their_rows_are_held_against_what_they_must_be() -> None:
    samples, order = Samples(), list[str]()

    def way(name: str, rows: int) -> dict[str, float]:
        order.append(name)
        return {"seconds": float(len(order)), "rows": rows}

    ways = {"ours": lambda: way("ours", 10), "course": lambda: way("course", 9)}
    turns: Sequence[str] = ("ours", "course", "ours")
    take_turns("load", ways, turns, {"all": 10, "course": 9}, samples)
    assert order == list(turns)
    assert samples.median("load, ours") == 2.0
    with pytest.raises(CommandError, match="load, course: 9 rows where there must be 10"):
        take_turns("load", ways, ["course"], {"all": 10}, samples)


def test_a_count_that_differs_ends_the_benchmark() -> None:
    check("file", 1_000, 1_000)
    with pytest.raises(CommandError, match="file: 999 rows where there must be 1,000"):
        check("file", 999, 1_000)


@pytest.mark.parametrize(
    ("usage", "size"), [("512KiB / 1GiB", 2**19), ("101.5MiB / 1GiB", 101.5 * 2**20), ("1.5GiB / 2GiB", 1.5 * 2**30)]
)
def test_docker_s_sizes_are_read(usage: str, size: float) -> None:
    assert startup.parse_bytes(usage) == size


def test_a_process_has_a_high_water_mark_until_it_is_gone() -> None:
    assert memory.high_water_mark(os.getpid()) > 1_000
    assert memory.high_water_mark(2**22 + 1) == 0


def test_orion_s_timestamps_are_read() -> None:
    assert runs.seconds_between("2026-01-01T00:00:00.500000+00:00", "2026-01-01T00:00:02Z") == 1.5


@pytest.mark.parametrize(("name", "value"), [("ONLY", "ingest,nothing"), ("ROWS", "many"), ("ROWS", "0")])
def test_what_is_typed_wrong_is_said_before_anything_starts(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert bench.main() == 2
    assert capsys.readouterr().out.startswith(f"{name}=")


def test_without_an_engine_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(throwaway_platform, "engine_fault", lambda: "no Docker engine answers")
    monkeypatch.setattr(checkout_copy, "copy_of_the_tree", lambda root: pytest.fail("a copy was made"))
    assert bench.main() == 1
    assert "no Docker engine answers, and the benchmarks need one" in capsys.readouterr().out


RUN = {
    "rows": 1_369_765,
    "date": "2026-01-01",
    "seconds": 600,
    "machine": {"processor": "P", "cores": 2, "memory_gb": 8, "system": "Linux x86_64", "load_at_start": 0.1},
    "versions": {"pandas": "2.0"},
    "samples": {"load, ours": {"unit": "s", "values": [1.0, 3.0, 2.0]}},
}


def test_the_page_takes_results_between_its_marks_and_nowhere_else() -> None:
    page, marks = (ROOT / "docs/benchmarks.md").read_text(), (report.BEGIN, report.END, report.PAGE)
    written = docs_tables.put_in(page, report.results([faster("load", 2, 60, 30)], RUN), *marks)
    assert "| load | 2.00 s | 60.0 s | 30.0x | >= 30x faster | met |" in written
    assert "| load, ours | 2.00 s | 1.00, 3.00, 2.00 |" in written
    assert written.partition(report.BEGIN)[0] == page.partition(report.BEGIN)[0]
    assert written.partition(report.END)[2] == page.partition(report.END)[2]
    assert docs_tables.put_in(written, "new", *marks) == docs_tables.put_in(page, "new", *marks)


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(CommandError, match="has no place for results"):
        docs_tables.put_in("# a page", "text", report.BEGIN, report.END, report.PAGE)


def test_imports_are_summed_by_package() -> None:
    report = "import time: self [us] | cumulative | imported package\n" + "".join(
        f"import time: {time:>9} | {time:>10} | {name}\n"
        for time, name in [(500_000, "  prefect.client"), (250_000, "prefect"), (9, "b"), (8, "c"), (7, "d"), (6, "e")]
    )
    assert by_package(report) == {"prefect": 0.75, "b": 9e-6, "c": 8e-6, "d": 7e-6, "others": 6e-6}
