"""A value that a template needs several times is computed once."""

from __future__ import annotations

from services.bigquery.compiler.signatures.holding import SHORT, hold
from services.bigquery.compiler.statement import compile_query
from services.bigquery.language.analyzer import Scope
from tests.googlesql import Database, queries


def test_short_arguments_stay_where_they_are() -> None:
    assert hold(["c1", "2"], lambda values: f"f({', '.join(values)})") == "f(c1, 2)"


def test_a_long_argument_stands_in_the_result_once() -> None:
    long = "g(c1)" + " + 1" * SHORT
    sql = hold([long, "c2", "'constant'"], lambda values: f"f({values[0]}, {values[0]}, {values[1]}, {values[2]})")
    assert sql.count(long) == 1 and sql.endswith("struct_extract(held, 2), 'constant'))[1]")


def test_constants_are_not_held() -> None:
    long = "'" + "a" * SHORT + "'"
    assert hold([long], lambda values: f"f({values[0]}, {values[0]})") == f"f({long}, {long})"


def test_a_sum_of_many_floats_grows_with_its_terms_only() -> None:
    sizes = []
    for terms in (10, 20):
        sql = "SELECT " + " + ".join(["CAST(x AS FLOAT64)"] * terms) + " FROM UNNEST([1]) AS x"
        sizes.append(len(compile_query(queries().analyzer.analyze(sql, Scope()), {}, 0).sql))
    assert sizes[1] < 3 * sizes[0]


def test_a_held_value_may_be_a_column_of_the_query_around() -> None:
    database = Database()
    database.add("t", [("f", "FLOAT64")], [[1.5], [2.5]])
    sql = """SELECT f, (SELECT COUNT(*) FROM p.d.t AS u WHERE u.f + u.f + u.f + u.f < t.f + t.f + t.f + t.f)
        FROM p.d.t ORDER BY f"""
    answer = database.answer(sql)
    assert answer.rows == [[1.5, 0], [2.5, 1]]
    assert answer.reason == ""
