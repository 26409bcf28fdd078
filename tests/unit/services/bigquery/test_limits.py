"""What the server may use, and what happens where it would use more."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pytest

from services.bigquery import cost, pressure
from services.bigquery.bodies import unpacked
from services.bigquery.disk import require_room
from services.bigquery.errors import BigQueryError, failed
from services.bigquery.jobs.history import History, Result
from services.bigquery.language.analyzer import Analyzer, Scope
from services.bigquery.language.evaluator import Evaluator
from services.bigquery.language.pool import is_stopped
from services.bigquery.pressure import Pressure
from services.bigquery.settings import Limits, WrongSettingError, limits_from
from services.bigquery.types import Type
from tests.conftest import ROOT
from tests.googlesql import pool
from tests.unit.services.gcs.hostile_requests import BOMB

ENDLESS = "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 15000)) a, UNNEST(GENERATE_ARRAY(1, 15000)) b"


def test_limits_come_from_the_environment() -> None:
    given = {"BIGQUERY_MEMORY": "2G", "BIGQUERY_SPILL": "700 MB", "BIGQUERY_SECONDS": "5", "BIGQUERY_RESULT": "100"}
    limits = limits_from(given)
    assert (limits.total, limits.spill, limits.seconds, limits.result) == (2 * 2**30, 700 * 2**20, 5, 100)
    assert limits_from({}) == Limits(is_enforced=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("BIGQUERY_MEMORY", "much"), ("BIGQUERY_MEMORY", "1M"), ("BIGQUERY_SECONDS", "0"), ("BIGQUERY_SECONDS", "1.5")],
)
def test_a_wrong_limit_is_named(name: str, value: str) -> None:
    with pytest.raises(WrongSettingError, match=f"{name}={value}: "):
        limits_from({name: value})


def test_nothing_is_written_where_the_disk_would_be_full(tmp_path: Path) -> None:
    require_room(tmp_path, 0)
    with pytest.raises(BigQueryError, match=r"the disk of the BigQuery server has only .* GB free.*make prune") as told:
        require_room(tmp_path, 0, needed=2**60)
    assert (told.value.reason, told.value.status) == ("quotaExceeded", 403)


def test_what_is_packed_is_unpacked_within_limits() -> None:
    with pytest.raises(BigQueryError, match="larger than 1000000 bytes"):
        unpacked(BOMB, 1_000_000)
    with pytest.raises(BigQueryError, match="not valid gzip"):
        unpacked(BOMB[:-20], 100_000_000)
    assert len(unpacked(BOMB + BOMB, 100_000_000)) == 40_000_000


def test_billed_are_whole_mebibytes_and_ten_for_each_table() -> None:
    mib = 2**20
    assert [cost.billed(size, 2) for size in (0, 1, 20 * mib + 1)] == [0, 20 * mib, 21 * mib]


def test_the_documentation_has_every_setting() -> None:
    page = (ROOT / "docs/emulators.md").read_text()
    source = (ROOT / "services/bigquery/settings.py").read_text()
    listed = dict(re.findall(r"^\| `(BIGQUERY_\w+)` \|.*\| (?:`(\w+)`|[^`|]*) \|$", page, re.MULTILINE))
    assert set(listed) == set(re.findall(r'"(BIGQUERY_\w+)"', source))
    defaults = limits_from({name: value for name, value in listed.items() if value})
    assert defaults == replace(Limits(is_enforced=True), least_free=500 * 2**20)
    assert abs(defaults.least_free / Limits().least_free - 1) < 0.05


@dataclass
class Statement:
    """A statement that runs."""

    grown: float = 0
    began: float = 0
    has_written: bool = False
    errors: list[BigQueryError] = field(default_factory=list)

    def end(self, error: BigQueryError) -> None:
        """Note why it has to go."""
        self.errors.append(error)


def test_the_statement_that_grew_most_has_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = [10 * 2**20]
    monkeypatch.setattr(pressure, "_used", lambda: (memory[0], 2**40))
    monkeypatch.setattr(pressure.Pressure, "_confine", lambda *given: None)
    watch = Pressure(tmp_path, Limits(total=100 * 2**20, least_free=0, is_enforced=True))
    early, late = Statement(began=1), Statement(began=2)
    for used, running in ((10, [early]), (30, [early]), (60, [early, late]), (70, [early, late]), (80, [late, early])):
        memory[0] = used * 2**20
        watch.look(running)
    assert [len(one.errors) for one in (early, late)] == [1, 0]
    assert early.errors[0].reason == "resourcesExceeded"
    watch.look([late])  # memory has the time to sink
    assert late.errors == []


def test_who_writes_has_to_go_before_the_disk_is_full(tmp_path: Path) -> None:
    reads, writes = Statement(), Statement(has_written=True)
    Pressure(tmp_path, Limits(least_free=2**62)).look([reads, writes])
    assert [len(one.errors) for one in (reads, writes)] == [0, 1]


def test_analysis_does_not_wait_for_evaluation_and_evaluation_can_be_stopped() -> None:
    analyzer, evaluator = Analyzer(pool()), Evaluator(pool())
    over, answers = threading.Event(), list[BigQueryError]()

    def evaluate() -> None:
        is_stopped.set(over.is_set)
        try:
            evaluator.query(ENDLESS, Scope(), {}, [Type("INT64")], {}, seconds=300)
        except BigQueryError as error:
            answers.append(error)

    threads = [threading.Thread(target=evaluate) for _ in range(4)]
    for thread in threads:
        thread.start()
    analyzer.analyze("SELECT 1", Scope())
    assert all(thread.is_alive() for thread in threads)
    over.set()
    for thread in threads:
        thread.join()
    assert [error.reason for error in answers] == ["stopped"] * 4


def test_the_oldest_results_go_where_all_are_too_large(tmp_path: Path) -> None:
    history = History(tmp_path, most=2_000_000)
    table = pa.table({"o0": ["x" * 1000] * 900})
    for number in range(4):
        history.save_result("p", f"j{number}", number, Result([], table))
    assert [history.result("p", f"j{number}") is not None for number in range(4)] == [False, False, True, True]
    assert len(list(tmp_path.glob("*.arrow"))) == 2
    history.close()


@pytest.mark.parametrize("error", [RecursionError(), pa.ArrowInvalid("Max recursion depth reached")])
def test_nesting_that_python_or_arrow_cannot_follow_is_named(error: Exception) -> None:
    assert (failed(error).reason, "nested too deeply" in failed(error).message) == ("resourcesExceeded", True)
