"""The parts of `make chaos` that need no platform: what is chosen, what counts as broken, what is written."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from dev import docs_tables, throwaway_platform
from dev.bench.results import write
from dev.chaos import __main__ as chaos
from dev.chaos import fault, fault_result, report
from dev.chaos.fault import Fault, NotTriedError, chosen
from dev.chaos.fault_result import Outcome, failed, summary
from dev.chaos.fault_run import MissedError, NotHeldError, wait
from dev.chaos.faults import kills
from dev.chaos.inside import cut
from dev.chaos.store_watch import torn
from dev.chaos.stores import checksum
from orionbox.errors import CommandError
from tests.conftest import ROOT

OUTCOMES = [
    Outcome("kill-gcs", "write", True, "the run completed by itself", 21.26),
    Outcome("kill-orion", "load", False, "left behind: a | b", 80.0),
    Outcome("clock-stepped", "", None, "cannot be made", 0.0),
]


def struck(strike: Any) -> tuple[bool | None, str]:
    class Sound:
        leftovers: Any = None

        def check(self) -> None:
            pass

    trial: Any = Sound()
    trial.leftovers = trial
    found = Fault("any", "load", strike).outcome(trial)
    return found.held, found.what


def test_a_fault_holds_only_where_nothing_was_raised() -> None:
    def broken(trial: Any) -> str:
        raise NotHeldError("a month is\n  half")

    def silent(trial: Any) -> str:
        raise ConnectionRefusedError("nobody answers")

    def impossible(trial: Any) -> str:
        raise NotTriedError("not here")

    assert struck(lambda trial: "completed") == (True, "completed")
    assert struck(broken) == (False, "a month is half")
    assert struck(silent) == (False, "nobody answers")
    assert struck(impossible) == (None, "not here")


def test_a_run_that_was_not_hit_is_started_again_and_in_the_end_that_is_no_success() -> None:
    starts = list[int]()

    def late(times: int) -> Any:
        def strike(trial: Any) -> str:
            starts.append(1)
            if len(starts) < times:
                raise MissedError("the run had ended")
            return "hit"

        return strike

    assert struck(late(fault.TRIES)) == (True, "hit")
    starts.clear()
    assert struck(late(fault.TRIES + 1)) == (False, "the run had ended")


def test_only_names_whole_groups_single_faults_and_stages() -> None:
    faults = chaos.all_faults()
    assert chosen(faults, "") == faults
    assert {each.name for each in chosen(faults, "kill")} == {each.name for each in kills.faults()}
    assert [(each.name, each.stage) for each in chosen(faults, "kill-orion@load,pause-orion")] == [
        ("kill-orion", "load"),
        ("pause-orion", "load"),
    ]
    with pytest.raises(CommandError, match="ONLY=kil: there is no such fault; use some of kill-run,kill-agent"):
        chosen(faults, "kill,kil")


def test_every_fault_has_a_name_and_stage_of_its_own() -> None:
    names = [(each.name, each.stage) for each in chaos.all_faults()]
    assert len(names) == len(set(names))
    assert len(kills.faults()) == 8 * 3


def test_a_month_is_torn_unless_it_has_as_many_rows_as_the_old_or_the_new_one() -> None:
    allowed = {"one.csv.gz": {0, 300}, "two.csv.gz": {240, 300}}
    assert torn({"two.csv.gz": 240, "another": 7}, allowed) == []
    assert torn({"one.csv.gz": 300, "two.csv.gz": 300}, allowed) == []
    assert torn({"one.csv.gz": 299, "two.csv.gz": 540}, allowed) == [
        "one.csv.gz with 299 rows",
        "two.csv.gz with 540 rows",
    ]
    assert torn({}, allowed) == ["two.csv.gz with 0 rows"]


def test_waiting_ends_with_an_answer_or_with_what_was_waited_for() -> None:
    answers = iter([None, 0, "here"])
    assert wait(lambda: next(answers), "an answer", 60, 0) == "here"
    with pytest.raises(NotHeldError, match="an answer: not within 0 s"):
        wait(lambda: None, "an answer", 0, 0)


def test_the_report_has_the_keys_of_all_reports_and_is_read_back(tmp_path: Any) -> None:
    write(tmp_path / "chaos.json", [each.to_json() for each in OUTCOMES])
    assert list(OUTCOMES[0].to_json())[:7] == ["name", "value", "unit", "baseline", "ratio", "goal", "ok"]
    again = fault_result.read(tmp_path / "chaos.json")
    assert [(each.name, each.stage, each.held, each.what) for each in again] == [
        (each.name, each.stage, each.held, each.what) for each in OUTCOMES
    ]


def test_some_faults_renew_their_own_outcomes_and_no_other() -> None:
    again = Outcome("kill-orion", "load", True, "the run completed by itself", 20.0)
    new = Outcome("kill-run", "load", True, "Crashed", 40.0)
    assert fault_result.renewed(OUTCOMES, [again, new]) == [OUTCOMES[0], again, OUTCOMES[2], new]


def test_what_did_not_hold_and_what_was_not_tried_are_told_apart() -> None:
    assert failed(OUTCOMES) == [OUTCOMES[1]]
    assert summary(OUTCOMES) == "1 of 3 faults held, 1 not verified"
    assert "NOT HELD" in OUTCOMES[1].line() and "not verified" in OUTCOMES[2].line()


def test_the_page_takes_the_table_between_its_marks_and_nowhere_else() -> None:
    page, marks = (ROOT / "docs/trust.md").read_text(), (report.BEGIN, report.END, report.PAGE)
    written = docs_tables.put_in(page, report.results(OUTCOMES), *marks)
    assert "| kill-gcs | write | held | the run completed by itself | 21 |" in written
    assert "left behind: a / b" in written
    assert "| kill-run | fetch | not struck |  |  |" in written, "what was not tried is said"
    assert written.partition(report.BEGIN)[0] == page.partition(report.BEGIN)[0]
    assert written.partition(report.END)[2] == page.partition(report.END)[2]


def test_the_kernel_s_request_names_the_address_and_the_card() -> None:
    request = cut.request("172.18.0.5")
    assert len(request) == 68
    assert request[4:8] == socket.inet_aton("172.18.0.5") and request[18:24] == cut.NOBODY
    assert request[-16:].rstrip(b"\0") == b"eth0"


def test_checksums_are_written_as_cloud_storage_writes_them() -> None:
    assert checksum(b"") == "1B2M2Y8AsgTpgAmY7PhCfg=="


def test_what_is_typed_wrong_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(throwaway_platform, "engine_fault", lambda: pytest.fail("the engine was asked"))
    monkeypatch.setenv("ONLY", "earthquake")
    assert chaos.main() == 2
    assert capsys.readouterr().out.startswith("ONLY=earthquake: there is no such fault")
