"""`make chaos` without a platform: which faults are chosen, what counts as survived, what is written."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from cli.runtimes.compose import engine
from dev import docs_tables
from dev.bench.results import write
from dev.chaos import __main__ as chaos
from dev.chaos import fault, fault_result, report
from dev.chaos.bucket import checksum
from dev.chaos.experiment import CheckFailedError, TooLateError, wait_for
from dev.chaos.fault import CannotInjectError, Fault, select
from dev.chaos.fault_result import FaultResult, failed, summary
from dev.chaos.faults import kills
from dev.chaos.inside import cut
from dev.chaos.leftovers import LeftoversError
from dev.chaos.store_watch import wrong_counts
from orionbox.errors import BadInputError
from tests.conftest import ROOT

RESULTS = [
    FaultResult("kill-gcs", "write", True, "the run completed by itself", 21.26),
    FaultResult("kill-orion", "load", False, "left behind: a | b", 80.0),
    FaultResult("clock-stepped", "", None, "cannot be made", 0.0),
]


class NoLeftovers:
    """An experiment that never has leftovers."""

    @property
    def leftovers(self) -> NoLeftovers:
        return self

    def check(self) -> None:
        pass


NO_LEFTOVERS: Any = NoLeftovers()


def run(inject: Any, experiment: Any = NO_LEFTOVERS) -> tuple[bool | None, str]:
    """Whether the platform survived a fault, and the details."""
    result = Fault("any", "load", inject).run(experiment)
    return result.survived, result.details


def test_a_fault_is_survived_only_where_no_check_failed() -> None:
    def broken(experiment: Any) -> str:
        raise CheckFailedError("a month is\n  half")

    def silent(experiment: Any) -> str:
        raise ConnectionRefusedError("nobody answers")

    def impossible(experiment: Any) -> str:
        raise CannotInjectError("not here")

    assert run(lambda experiment: "completed") == (True, "completed")
    assert run(broken) == (False, "a month is half")
    assert run(silent) == (False, "nobody answers")
    assert run(impossible) == (None, "not here")


def test_a_fault_that_comes_too_late_is_injected_again_and_fails_after_the_last_try() -> None:
    starts = list[int]()

    def late(times: int) -> Any:
        def inject(experiment: Any) -> str:
            starts.append(1)
            if len(starts) < times:
                raise TooLateError("the run had ended")
            return "hit"

        return inject

    assert run(late(fault.TRIES)) == (True, "hit")
    starts.clear()
    assert run(late(fault.TRIES + 1)) == (False, "the run had ended")


def test_leftovers_of_a_try_that_came_too_late_fail_the_fault() -> None:
    class Leftover(NoLeftovers):
        def check(self) -> None:
            raise LeftoversError("left behind")

    def late(experiment: Any) -> str:
        raise TooLateError("the run had ended")

    assert run(late, Leftover()) == (False, "left behind")


def test_only_names_whole_groups_single_faults_and_stages() -> None:
    faults = chaos.all_faults()
    assert select(faults, "") == faults
    assert {each.name for each in select(faults, "kill")} == {each.name for each in kills.faults()}
    assert [(each.name, each.stage) for each in select(faults, "kill-orion@load,pause-orion")] == [
        ("kill-orion", "load"),
        ("pause-orion", "load"),
    ]
    with pytest.raises(BadInputError, match="unknown fault kil; use some of kill-run,kill-agent"):
        select(faults, "kill,kil")


def test_every_fault_has_a_name_and_stage_of_its_own() -> None:
    names = [(each.name, each.stage) for each in chaos.all_faults()]
    assert len(names) == len(set(names))
    assert len(kills.faults()) == 8 * 3


def test_a_count_is_wrong_unless_it_is_that_of_the_old_or_the_new_month() -> None:
    allowed = {"one.csv.gz": {0, 300}, "two.csv.gz": {240, 300}}
    assert wrong_counts({"two.csv.gz": 240, "another": 7}, allowed) == []
    assert wrong_counts({"one.csv.gz": 300, "two.csv.gz": 300}, allowed) == []
    assert wrong_counts({"one.csv.gz": 299, "two.csv.gz": 540}, allowed) == [
        "one.csv.gz with 299 rows",
        "two.csv.gz with 540 rows",
    ]
    assert wrong_counts({}, allowed) == ["two.csv.gz with 0 rows"]


def test_waiting_ends_with_an_answer_or_an_error_that_names_it() -> None:
    answers = iter([None, 0, "here"])
    assert wait_for(lambda: next(answers), "an answer", 60, 0) == "here"
    with pytest.raises(CheckFailedError, match="an answer: not within 0 s"):
        wait_for(lambda: None, "an answer", 0, 0)


def test_the_report_has_the_keys_of_all_reports_and_can_be_read(tmp_path: Any) -> None:
    write(tmp_path / "chaos.json", [each.to_json() for each in RESULTS])
    assert list(RESULTS[0].to_json())[:7] == ["name", "value", "unit", "baseline", "ratio", "goal", "ok"]
    again = fault_result.read(tmp_path / "chaos.json")
    assert [(each.name, each.stage, each.survived, each.details) for each in again] == [
        (each.name, each.stage, each.survived, each.details) for each in RESULTS
    ]


def test_new_results_replace_those_of_the_same_fault_only() -> None:
    again = FaultResult("kill-orion", "load", True, "the run completed by itself", 20.0)
    new = FaultResult("kill-run", "load", True, "Crashed", 40.0)
    assert fault_result.updated(RESULTS, [again, new]) == [RESULTS[0], again, RESULTS[2], new]


def test_failed_and_untested_faults_are_counted_apart() -> None:
    assert failed(RESULTS) == [RESULTS[1]]
    assert summary(RESULTS) == "survived 1 of 3 faults, 1 not tested"
    assert "FAILED" in RESULTS[1].line() and "not tested" in RESULTS[2].line()


def test_the_table_replaces_only_the_text_between_the_page_s_marks() -> None:
    page, marks = (ROOT / "dev/chaos/README.md").read_text(), (report.BEGIN, report.END, report.PAGE)
    written = docs_tables.replace_between_marks(page, report.table(RESULTS), *marks)
    assert "| kill-gcs | write | survived | the run completed by itself | 21 |" in written
    assert "left behind: a / b" in written
    assert "| kill-run | fetch | not run |  |  |" in written
    assert written.partition(report.BEGIN)[0] == page.partition(report.BEGIN)[0]
    assert written.partition(report.END)[2] == page.partition(report.END)[2]


def test_the_kernel_s_request_names_the_address_and_the_card() -> None:
    request = cut.request("172.18.0.5")
    assert len(request) == 68
    assert request[4:8] == socket.inet_aton("172.18.0.5") and request[18:24] == cut.NO_CARD
    assert request[-16:].rstrip(b"\0") == b"eth0"


def test_checksums_are_written_as_cloud_storage_writes_them() -> None:
    assert checksum(b"") == "1B2M2Y8AsgTpgAmY7PhCfg=="


def test_an_unknown_fault_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "unavailable_reason", lambda: pytest.fail("the engine was asked"))
    with pytest.raises(BadInputError, match="unknown fault earthquake; use some of kill-run"):
        chaos.main(["--only=earthquake"])
