"""Google's reference evaluator: vectors of scalars, and whole queries over small tables."""

from __future__ import annotations

from typing import Any

import pytest

from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.catalog import Column, Table
from services.bigquery.language.evaluator import Scalar
from services.bigquery.types import Type
from tests.googlesql import queries

TEXT, INTEGER = Type("STRING"), Type("INT64")
TABLE = Table(("p", "d", "t"), "p.d.t", [Column("x", INTEGER), Column("s", TEXT)])
ROWS: dict[str, list[list[Any]]] = {"p.d.t": [[1, "a"], [2, None]]}


def test_a_scalar_is_evaluated_for_each_row_in_order() -> None:
    lower = Scalar("LOWER(a0)", (TEXT,), TEXT)
    assert queries().evaluator.scalar(lower, [["Ä", None, "İ"]]) == ["ä", None, "i\u0307"]


def test_an_error_in_a_vector_is_googles_sentence() -> None:
    with pytest.raises(BigQueryError, match="Bad int64 value: x"):
        queries().evaluator.scalar(Scalar("CAST(a0 AS INT64)", (TEXT,), INTEGER), [["1", "x"]])


@pytest.mark.parametrize(
    "sql",
    ["SELECT t.x FROM `p.d.t` ORDER BY x", "SELECT a.x FROM p.d.t AS a JOIN p.d.t AS b USING (x) ORDER BY x",
     "SELECT x FROM p.d.t WHERE x IN (SELECT x FROM `p`.d.t) ORDER BY x -- `p.d.t`"],
)  # fmt: skip
def test_a_query_reads_tables_by_their_paths(sql: str) -> None:
    assert queries().evaluator.query(sql, Scope(tables=[TABLE]), ROWS, [INTEGER]) == [[1], [2]]


def test_a_with_clause_that_hides_the_table_is_refused() -> None:
    sql = "WITH t AS (SELECT 7 AS x) SELECT t.x FROM t, p.d.t AS other"
    with pytest.raises(NotBuilt, match="several relations of one name"):
        queries().evaluator.query(sql, Scope(tables=[TABLE]), ROWS, [INTEGER])


def test_a_query_takes_parameters() -> None:
    scope = Scope(named={"n": INTEGER})
    assert queries().evaluator.query("SELECT @n + 1", scope, {}, [INTEGER], {"n": 41}) == [[42]]


def test_a_query_takes_positional_parameters() -> None:
    scope = Scope(positional=[INTEGER, TEXT])
    assert queries().evaluator.query("SELECT ? + 1, ?", scope, {}, [INTEGER, TEXT], {"1": 41, "2": "?"}) == [[42, "?"]]


def test_rows_that_are_the_same_are_evaluated_once() -> None:
    class Counting:
        rows = 0

        def scalar(self, scalar: Scalar, columns: Any) -> list[Any]:
            self.rows += len(columns[0])
            return [f"{a}{b}" for a, b in zip(*columns, strict=True)]

    evaluator: Any = Counting()
    text, whole, float64 = Type("STRING"), Type("INT64"), Type("DOUBLE")
    columns: list[list[Any]] = [["x", "y", "x", None, None], [1, 1, 1, 2, 2]]
    values = Scalar("CONCAT(a0, a1)", (text, whole), text).vector(evaluator, columns)
    assert (values, evaluator.rows) == (["x1", "y1", "x1", "None2", "None2"], 3)
    # -0.0 equals 0.0 and is another value
    floats: list[list[Any]] = [[0.0, -0.0], [1, 1]]
    assert Scalar("FORMAT('%t', a0)", (float64, whole), text).vector(evaluator, floats) == ["0.01", "-0.01"]
