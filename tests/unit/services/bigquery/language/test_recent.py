"""A statement that comes again is not analyzed again, unless what it names has changed."""

from __future__ import annotations

from services.bigquery.language.analyzer import Analyzer, Scope
from services.bigquery.language.catalog import Column, Table
from services.bigquery.language.recent import LARGEST, MOST, Recent
from services.bigquery.types import Type
from tests.googlesql import pool


def table(kind: str) -> Scope:
    return Scope(tables=[Table(("t",), "p.d.t", [Column("x", Type(kind))])])


def test_the_answers_used_last_are_kept() -> None:
    recent = Recent[int]()
    for number in range(MOST):
        recent.put(number, number, 1)
    assert recent.get(0) == 0
    recent.put("new", 1, 1)
    recent.put("large", 1, LARGEST + 1)
    assert (recent.get(0), recent.get(1), recent.get("new"), recent.get("large")) == (0, None, 1, None)


def test_a_statement_is_analyzed_anew_when_its_table_has_changed() -> None:
    analyzer = Analyzer(pool())
    first = analyzer.analyze("SELECT x FROM t", table("INT64"))
    assert analyzer.analyze("SELECT x FROM t", table("INT64")) is first
    other = analyzer.analyze("SELECT x FROM t", table("STRING"))
    assert other.SerializeToString() != first.SerializeToString()
    assert analyzer.table_paths("SELECT x FROM t") == analyzer.table_paths("SELECT x FROM t") == [("t",)]
