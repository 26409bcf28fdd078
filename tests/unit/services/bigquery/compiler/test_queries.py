"""Statements through analyzer, compiler and DuckDB; most answers are checked by tests/conformance."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from services.bigquery import types
from services.bigquery.compiler.context import Relation
from services.bigquery.compiler.signatures import connection as duck
from services.bigquery.compiler.statement import compile_change, compile_query
from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.catalog import Column, Table
from services.bigquery.types import Type
from tests.googlesql import Database, queries


@pytest.fixture
def database() -> Database:
    database = Database()
    database.add("t", [("x", "INT64"), ("s", "STRING")], [[1, "a"], [2, None], [3, "b"]])
    database.add("u", [("x", "INT64"), ("v", "INT64")], [[1, 10], [3, 30], [4, 40]])
    return database


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT t.x, UPPER(s) FROM `p.d.t` ORDER BY x DESC", [["3", "B"], ["2", None], ["1", "A"]]),
        ("SELECT COUNT(*), SUM(x) FROM p.d.t", [["3", "6"]]),
        ("SELECT t.x, v FROM p.d.t LEFT JOIN p.d.u USING (x) ORDER BY 1", [["1", "10"], ["2", None], ["3", "30"]]),
        ("SELECT RADIX FROM (SELECT 1 AS RADIX)", [["1"]]),
        ("SELECT ARRAY(SELECT x FROM p.d.t ORDER BY x DESC)", [[[{"v": "3"}, {"v": "2"}, {"v": "1"}]]]),
        ("SELECT NUMERIC '-123456789.123456789', b'\\xff', CAST('nan' AS FLOAT64) = CAST('nan' AS FLOAT64)",
         [["-123456789.123456789", "/w==", "false"]]),
        ("SELECT EXTRACT(MICROSECOND FROM TIMESTAMP '2020-01-01 00:00:59.123456')", [["123456"]]),
        ("SELECT SAFE_CAST('1e3' AS INT64), SAFE_CAST('1.5' AS INT64), SAFE_CAST('yes' AS BOOL)",
         [[None, None, None]]),
        ("SELECT BIGNUMERIC '0.12345678901234567890123456789012345678'",
         [["0.12345678901234567890123456789012345678"]]),
        ("SELECT RPAD('a', LENGTH('abc')), FORMAT(\"%'d\", 1234567), TO_JSON_STRING(9007199254740993)",
         [["a  ", "1,234,567", '"9007199254740993"']]),
        ("SELECT DATE_SUB(DATE '2020-01-10', INTERVAL -5 DAY), -(-5), 2147483647 + 1",
         [["2020-01-15", "5", "2147483648"]]),
        ("SELECT AS VALUE x FROM p.d.t ORDER BY x", [["1"], ["2"], ["3"]]),
        ("SELECT 1 AS a, 2 AS b FULL UNION ALL BY NAME SELECT 3 AS b, 5 AS c ORDER BY b",
         [["1", "2", None], [None, "3", "5"]]),
        ("SELECT COUNTIF(RAND() BETWEEN 0.2 AND 0.4) BETWEEN 1600 AND 2400 FROM UNNEST(GENERATE_ARRAY(1, 10000))",
         [["true"]]),
        ("SELECT COUNTIF(CASE CAST(FLOOR(RAND() * 2) AS INT64) WHEN 0 THEN FALSE WHEN 1 THEN FALSE ELSE TRUE END) "
         "FROM UNNEST(GENERATE_ARRAY(1, 1000))", [["0"]]),
        ("SELECT x.a, p FROM UNNEST([]) AS e CROSS JOIN UNNEST([STRUCT(1 AS a)]) AS x WITH OFFSET AS p", []),
    ],
)  # fmt: skip
def test_a_query_answers_as_google_documents(database: Database, sql: str, rows: list[list[Any]]) -> None:
    assert database.rest(sql) == rows


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT i FROM p.d.f ORDER BY x, i", [3, 2, 4, 5, 6, 1]),
        ("SELECT i FROM p.d.f ORDER BY x DESC, i", [1, 5, 6, 4, 2, 3]),
        ("SELECT RANK() OVER (ORDER BY x) FROM p.d.f ORDER BY i", [6, 2, 1, 3, 4, 4]),
        ("SELECT i FROM p.d.f WHERE x < 1 OR x > 1 ORDER BY i", [1, 4, 5, 6]),
        ("SELECT i FROM p.d.f WHERE NOT (x <= 1) ORDER BY i", [1, 2]),
        ("SELECT i FROM p.d.f WHERE x BETWEEN 0 AND 9 ORDER BY i", [1, 5, 6]),
        ("SELECT a.i * 10 + b.i FROM p.d.f a JOIN p.d.f b ON a.x = b.x ORDER BY 1", [11, 44, 55, 56, 65, 66]),
        ("SELECT COUNT(*) FROM p.d.f a LEFT JOIN p.d.f b ON a.x >= b.x", [13]),
        ("SELECT COUNT(*) FROM p.d.f a FULL JOIN p.d.f b ON a.x = b.x", [10]),
        ("SELECT MIN(x) IS NULL OR IS_NAN(MIN(x)) FROM p.d.f", [True]),
        ("SELECT i FROM p.d.f WHERE x IN (SELECT x FROM p.d.f WHERE x IS NOT NULL) ORDER BY i", [1, 4, 5, 6]),
        ("SELECT COUNT(*) FROM p.d.f WHERE x NOT IN (SELECT x FROM p.d.f)", [0]),
        ("SELECT i FROM p.d.f WHERE x IN UNNEST([CAST('nan' AS FLOAT64), 0]) ORDER BY i", [5, 6]),
    ],
)
def test_nan_has_its_place_and_equals_nothing(sql: str, values: list[Any]) -> None:
    database = Database()
    floats = [1.5, float("nan"), None, float("-inf"), 0.0, -0.0]
    database.add("f", [("i", "INT64"), ("x", "FLOAT64")], [list(row) for row in enumerate(floats, 1)])
    answer = database.answer(sql)
    assert [row[0] for row in answer.rows] == values and answer.reason == ""


def test_the_module_evaluates_only_rows_that_duckdb_would_get_wrong() -> None:
    database = Database()
    database.add("w", [("s", "STRING")], [["a"], ["straße"], [None], ["a,b"], [""]])
    answer = database.answer("SELECT UPPER(s), SPLIT(s, ','), SPLIT(s, '') FROM p.d.w ORDER BY s")
    assert answer.rows == [
        [None, None, None],
        ["", [""], [""]],
        ["A", ["a"], ["a"]],
        ["A,B", ["a", "b"], ["a", ",", "b"]],
        ["STRASSE", ["straße"], ["s", "t", "r", "a", "ß", "e"]],
    ]
    assert answer.reason == "" and {line.split("(")[0] for line in answer.lines} >= {"upper", "split"}


def test_floats_are_joined_by_a_hash_whatever_the_join(database: Database) -> None:
    for word in ("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"):
        sql = f"SELECT COUNT(*) FROM p.d.t {word} p.d.u ON CAST(t.x AS FLOAT64) = CAST(u.x AS FLOAT64)"
        query = compile_query(queries().analyzer.analyze(sql, database.scope(sql)), database.behind().relations, 0)
        plan = database.connection.execute(f"EXPLAIN {query.sql}").fetchall()[0][1]
        assert "HASH_JOIN" in plan, plan


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT 1 / 0", "division by zero: 1 / 0"),
        ("SELECT CAST('1.0' AS INT64)", "Bad int64 value: 1.0"),
        ("SELECT 9223372036854775807 + x FROM p.d.t", "Overflow"),
        ("SELECT [1, 2][OFFSET(x)] FROM p.d.t", "out of bounds"),
        ("SELECT ERROR('mine')", "mine"),
        ("SELECT (SELECT x FROM p.d.t)", "Scalar subquery produced more than one element"),
    ],
)
def test_an_error_of_a_value_fails_the_query(database: Database, sql: str, sentence: str) -> None:
    with pytest.raises(BigQueryError) as failed:
        database.answer(sql)
    assert failed.value.reason == "invalidQuery" and sentence.lower() in failed.value.message.lower()


def test_a_parameter_is_a_value_and_no_text(database: Database) -> None:
    parameters = {"s": (Type("STRING"), "a' OR 1=1 --"), "n": (Type("INT64"), 2)}
    assert database.rest("SELECT @s, x FROM p.d.t WHERE x = @n AND @s <> 'a' LIMIT @n", parameters) == [
        ["a' OR 1=1 --", "2"]
    ]


def test_time_stands_still_within_a_statement_and_chance_does_not(database: Database) -> None:
    sql = "SELECT DISTINCT CURRENT_TIMESTAMP(), CURRENT_DATE(), CURRENT_DATETIME(), CURRENT_TIME() FROM p.d.t"
    assert database.rest(sql) == [["1600000000000000", "2020-09-13", "2020-09-13T12:26:40", "12:26:40"]]
    assert database.rest(
        "SELECT COUNT(DISTINCT u), COUNT(DISTINCT r) FROM (SELECT GENERATE_UUID() u, RAND() r FROM p.d.t)"
    ) == [["3", "3"]]
    assert database.rest("SELECT LOGICAL_AND(r >= 0 AND r < 1) FROM (SELECT RAND() r FROM p.d.t)") == [["true"]]


def test_what_is_not_compiled_is_evaluated_and_says_why(database: Database) -> None:
    answer = database.answer("SELECT SUM(CAST(x AS BIGNUMERIC)) FROM p.d.t")
    assert "BIGNUMERIC" in answer.reason
    assert [types.to_rest(kind, value) for (_, kind), value in zip(answer.columns, answer.rows[0], strict=True)] == [
        "6"
    ]


def test_a_large_table_is_not_evaluated_but_refused(database: Database) -> None:
    tables = type(database.behind())(database.behind().relations, lambda name: None)
    sql = "SELECT SUM(CAST(x AS BIGNUMERIC)) FROM p.d.t"
    with pytest.raises(NotBuilt, match=r"aggregate function SUM\(BIGNUMERIC\)"):
        queries().answer(database.connection, sql, database.scope(sql), tables)


def test_compiled_sql_reaches_no_file_and_no_network(database: Database) -> None:
    for sql in (
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY t TO '/tmp/x'",
        "INSTALL httpfs",
        "ATTACH '/tmp/other.db'",
    ):
        with pytest.raises(duckdb.Error):
            database.connection.execute(sql)
        with pytest.raises(BigQueryError):
            database.answer(sql)


def change(database: Database, sql: str) -> int:
    compiled = compile_change(
        queries().analyzer.analyze(sql, database.scope(sql)), database.behind().relations, queries().now()
    )
    duck.register_scalars(database.connection, compiled.scalars, queries().evaluator)
    try:
        if compiled.check:
            database.connection.execute(compiled.check).fetchall()
        return int(database.connection.execute(compiled.sql).fetchall()[0][0])
    except duckdb.Error as error:
        raise duck.as_error(error) from error


@pytest.mark.parametrize(
    ("sql", "count", "left"),
    [
        ("INSERT INTO p.d.t (x, s) VALUES (4, 'c'), (5, LOWER('D'))", 2,
         [[1, "a"], [2, None], [3, "b"], [4, "c"], [5, "d"]]),
        ("INSERT INTO `p.d.t` (x) SELECT v FROM p.d.u WHERE v > 30", 1, [[1, "a"], [2, None], [3, "b"], [40, None]]),
        ("UPDATE p.d.t SET s = CONCAT(s, '!') WHERE x < 3", 2, [[1, "a!"], [2, None], [3, "b"]]),
        ("UPDATE p.d.t SET s = CAST(v AS STRING) FROM p.d.u WHERE t.x = u.x", 2, [[1, "10"], [2, None], [3, "30"]]),
        ("DELETE FROM p.d.t WHERE x IN (SELECT x FROM p.d.u)", 2, [[2, None]]),
        ("DELETE p.d.t WHERE TRUE", 3, []),
        ("MERGE p.d.t USING p.d.u ON t.x = u.x WHEN MATCHED AND v > 10 THEN UPDATE SET s = 'm' "
         "WHEN MATCHED THEN DELETE "
         "WHEN NOT MATCHED THEN INSERT (x, s) VALUES (u.x, 'new') "
         "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET s = 'gone'",
         4, [[2, "gone"], [3, "m"], [4, "new"]]),
        ("TRUNCATE TABLE p.d.t", 3, []),
    ],
)  # fmt: skip
def test_a_change_changes_these_rows(database: Database, sql: str, count: int, left: list[list[Any]]) -> None:
    assert change(database, sql) == count
    assert sorted(database._rows("p.d.t")) == left


@pytest.mark.parametrize(
    "sql",
    ["MERGE p.d.t USING (SELECT 1 AS y FROM UNNEST([1, 2])) ON x = y WHEN MATCHED THEN UPDATE SET s = 'z'",
     "UPDATE p.d.t SET s = 'z' FROM UNNEST([1, 1]) AS y WHERE x = y"],
)  # fmt: skip
def test_two_source_rows_for_one_target_row_change_nothing(database: Database, sql: str) -> None:
    before = database._rows("p.d.t")
    with pytest.raises(BigQueryError, match="UPDATE/MERGE must match at most one source row for each target row"):
        change(database, sql)
    assert database._rows("p.d.t") == before


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("INSERT INTO p.d.t (x, s) VALUES (4, DEFAULT), (DEFAULT, 'q')", [[4, "new"], [None, "q"]]),
        ("INSERT INTO p.d.t (x) VALUES (4)", [[4, "new"]]),
        ("INSERT INTO p.d.t (x) SELECT 5", [[5, "new"]]),
        ("MERGE p.d.t USING UNNEST([6]) AS y ON x = y WHEN NOT MATCHED THEN INSERT (x) VALUES (y)", [[6, "new"]]),
        ("MERGE p.d.t USING UNNEST([6]) AS y ON x = y WHEN NOT MATCHED THEN INSERT (x, s) VALUES (y, DEFAULT)",
         [[6, "new"]]),
    ],
)  # fmt: skip
def test_a_column_that_gets_no_value_gets_its_default(sql: str, rows: list[list[Any]]) -> None:
    database = Database()
    database.add("t", [("x", "INT64"), ("s", "STRING")], [])
    columns = [Column("x", Type("INT64"), has_default=True), Column("s", Type("STRING"), has_default=True)]
    scope = Scope(tables=[Table(("p", "d", "t"), "p.d.t", columns)])
    relations = {"p.d.t": Relation("t", ["x", "s"], {"s": "'new'"})}
    compiled = compile_change(queries().analyzer.analyze(sql, scope), relations, 0)
    database.connection.execute(compiled.sql)
    assert database._rows("p.d.t") == rows


def test_a_view_takes_no_rows(database: Database) -> None:
    sql = "INSERT INTO p.d.t (x) VALUES (4)"
    view = {"p.d.t": Relation("(SELECT 1 AS x, 'a' AS s)", ["x", "s"])}
    with pytest.raises(BigQueryError, match=r"p\.d\.t is not a table"):
        compile_change(queries().analyzer.analyze(sql, database.scope(sql)), view, 0)


def test_a_merge_without_matched_clauses_may_meet_a_row_twice(database: Database) -> None:
    sql = "MERGE p.d.t USING UNNEST([1, 1, 9]) AS y ON x = y WHEN NOT MATCHED THEN INSERT (x) VALUES (y)"
    assert change(database, sql) == 1


def test_a_statement_of_another_sort_is_refused_by_name() -> None:
    statement = queries().analyzer.analyze("CREATE SCHEMA s", Scope())
    with pytest.raises(NotBuilt, match="statement CreateSchema as a query"):
        compile_query(statement, {}, 0)


@pytest.mark.parametrize("depth", [50, 400, 3000])
def test_a_deeply_nested_statement_is_answered_or_refused(database: Database, depth: int) -> None:
    for sql in (
        "SELECT " + "(" * depth + "1" + ")" * depth,
        "SELECT " + "IF(TRUE, " * depth + "1" + ", 2)" * depth,
        "SELECT * FROM " + "(SELECT * FROM " * depth + "p.d.t" + ")" * depth,
    ):
        try:
            assert len(database.rest(sql)) in (1, 3)
        except BigQueryError as error:
            assert error.reason in ("resourcesExceeded", "invalidQuery", "notImplemented"), error.message
    assert database.rest("SELECT 1") == [["1"]]


def test_a_function_that_the_module_lacks_is_refused_by_name(database: Database) -> None:
    with pytest.raises(NotBuilt, match="BAG_OF_WORDS"):
        database.rest("SELECT BAG_OF_WORDS([s]) FROM p.d.t")
    with pytest.raises(NotBuilt, match=r"ML\.PREDICT"):
        database.rest("SELECT ML.PREDICT(s) FROM p.d.t")


def test_rows_without_from_keep_their_order(database: Database) -> None:
    words = [f"word{number}" for number in range(40)]
    rows = " UNION ALL ".join(f"SELECT '{word}' AS w" for word in words)
    assert database.rest(f"WITH t AS ({rows}) SELECT STRING_AGG(w) FROM t") == [[",".join(words)]]
    assert database.rest(f"WITH t AS ({rows}) SELECT * FROM t") == [[word] for word in words]
    assert database.rest("SELECT 1 AS n, NULL AS s UNION ALL SELECT 2.5, 'b'") == [["1.0", None], ["2.5", "b"]]


def test_distinct_values_keep_the_order_of_their_first_appearance(database: Database) -> None:
    sql = (
        "SELECT TO_JSON_STRING(ARRAY_AGG(DISTINCT x)), STRING_AGG(DISTINCT CAST(x AS STRING), '|'), "
        "TO_JSON_STRING(ARRAY_AGG(DISTINCT x IGNORE NULLS LIMIT 2)), STRING_AGG(DISTINCT CAST(x AS STRING) LIMIT 2) "
        "FROM UNNEST([2, 1, NULL, -2, 3, -2, NULL, 1]) AS x"
    )
    assert database.rest(sql) == [["[2,1,null,-2,3]", "2|1|-2|3", "[2,1]", "2,1"]]
    assert database.rest(f"{sql} WHERE x > 7") == [["null", None, "null", None]]


@pytest.mark.parametrize("time", ["CURRENT_TIMESTAMP()", "TIMESTAMP '2020-09-13 12:26:40'"])
def test_a_table_as_of_now_is_the_table(database: Database, time: str) -> None:
    assert database.rest(f"SELECT x FROM p.d.t FOR SYSTEM_TIME AS OF {time} ORDER BY x") == [["1"], ["2"], ["3"]]


def test_a_gap_of_the_evaluator_is_named_as_ours(database: Database) -> None:
    with pytest.raises(NotBuilt, match="FOR SYSTEM_TIME AS OF another time than now"):
        database.answer("SELECT x FROM p.d.t FOR SYSTEM_TIME AS OF TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR)")
