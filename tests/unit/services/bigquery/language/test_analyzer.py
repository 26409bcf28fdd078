"""Google's analyzer with BigQuery's settings: sentences, places, names, and what BigQuery does not have."""

from __future__ import annotations

import pytest

from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.language import features, package, tree
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.catalog import Column, Table
from services.bigquery.language.module import Module
from services.bigquery.types import Type
from tests.googlesql import pool, queries

TABLE = Table(("p", "d", "t"), "p.d.t", [Column("x", Type("INT64")), Column("s", Type("STRING"))])


def refusal(sql: str, scope: Scope | None = None) -> str:
    with pytest.raises(BigQueryError) as refused:
        queries().analyzer.analyze(sql, scope or Scope())
    return refused.value.message


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT foo", "Unrecognized name: foo at [1:8]"),
        ("SELECT 1,\n  SELEC", "Unrecognized name: SELEC at [2:3]"),
        ("SELECT 1 UNION ALL SELECT 'a'", "Column 1 in UNION ALL has incompatible types: INT64, STRING at [1:20]"),
        ("SELECT x AS y FROM UNNEST([1]) x WHERE y = 1", "Unrecognized name: y at [1:40]"),
        ("SELECT wrong FROM `p.d.t`", "Unrecognized name: wrong at [1:8]"),
        ("SELECT * FROM `p.d.t` WHERE wrong", "Unrecognized name: wrong at [1:29]"),
    ],
)
def test_an_error_is_googles_sentence_with_its_place(sql: str, sentence: str) -> None:
    assert refusal(sql, Scope(tables=[TABLE])) == sentence


@pytest.mark.parametrize(
    "expression",
    ["CAST(1 AS UINT64)", "CAST(1 AS INT32)", "CAST(1 AS FLOAT32)", "RADIANS(1)", "ARRAY_FILTER([1], e -> e > 1)",
     "IFERROR(1, 2)", "ARRAY_INCLUDES([1], 1)", "ISERROR(1)", "NULLIFZERO(1)", "NEW foo(1 AS a)"],
)  # fmt: skip
def test_what_bigquery_does_not_have_is_refused(expression: str) -> None:
    assert refusal(f"SELECT {expression}")


@pytest.mark.parametrize(
    "sql",
    ["SELECT t.x FROM `p.d.t`", "SELECT t.x FROM p.d.t", "SELECT t.x FROM `p.d`.t", "SELECT t.x FROM `p`.`d`.`t`",
     "FROM p.d.t |> WHERE x > 1 |> SELECT t.s", "SELECT x FROM p.d.t QUALIFY ROW_NUMBER() OVER (ORDER BY s) = 1"],
)  # fmt: skip
def test_a_table_is_found_in_each_form_of_its_path(sql: str) -> None:
    assert [".".join(path) for path in queries().analyzer.table_paths(sql)] == ["p.d.t"]
    queries().analyzer.analyze(sql, Scope(tables=[TABLE]))


def test_paths_keep_their_case_and_leave_out_with_clauses() -> None:
    sql = "WITH w AS (SELECT 1) SELECT * FROM w, D.Tab, `my-project.d.t`"
    assert queries().analyzer.table_paths(sql) == [("D", "Tab"), ("my-project.d.t",)]


def test_two_tables_that_differ_in_case_only_are_refused_in_one_statement() -> None:
    other = Table(("p", "d", "T"), "p.d.T", TABLE.columns)
    with pytest.raises(NotBuilt, match="p.d.t and p.d.T in one statement"):
        queries().analyzer.analyze("SELECT * FROM p.d.t, p.d.T", Scope(tables=[TABLE, other]))


def test_a_string_parameter_is_compared_with_a_date() -> None:
    statement = queries().analyzer.analyze("SELECT DATE '2020-01-01' < @day", Scope(named={"day": Type("STRING")}))
    assert tree.kind(tree.node(statement)) == "QueryStmt"


def test_a_statement_that_traps_the_module_costs_one_instance() -> None:
    assert "nested too deeply" in refusal("SELECT " + "+".join(["1"] * 3000))
    assert refusal("SELECT foo") == "Unrecognized name: foo at [1:8]"


def test_an_endless_evaluation_is_interrupted() -> None:
    endless = "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r) SELECT COUNT(*) FROM r"
    with pytest.raises(BigQueryError, match="timed out"):
        queries().evaluator.query(endless, Scope(), {}, [Type("INT64")], seconds=0.2)
    assert queries().evaluator.query("SELECT 1", Scope(), {}, [Type("INT64")]) == [[1]]


def test_memory_of_an_instance_is_bounded() -> None:
    text = "REPEAT(FORMAT('%03d', x), 330000)"
    large = f"SELECT ARRAY_LENGTH(ARRAY_AGG({text})) FROM UNNEST(GENERATE_ARRAY(1, 700)) AS x"
    with pytest.raises(BigQueryError):
        queries().evaluator.query(large, Scope(), {}, [Type("INT64")])
    assert queries().evaluator.query("SELECT 1", Scope(), {}, [Type("INT64")]) == [[1]]


def test_an_instance_keeps_few_catalogues() -> None:
    for number in range(20):
        table = Table((f"t{number}",), f"t{number}", TABLE.columns)
        queries().analyzer.analyze(f"SELECT x FROM t{number}", Scope(tables=[table]))

    def kept(module: Module) -> int:
        return len(module.prepared.get("catalogs", ()))

    assert pool().run(kept) <= 8


def test_each_feature_names_the_page_that_shows_it() -> None:
    lines = [line.split() for line in features.FEATURES.strip().splitlines()]
    assert all(len(line) == 2 for line in lines)
    names = [name for name, _ in lines]
    assert len(names) == len(set(names))
    assert len(features.enabled()) == len(names)


def test_the_package_is_the_one_that_is_locked() -> None:
    from importlib.metadata import version

    assert version(package.PACKAGE) == package.VERSION
