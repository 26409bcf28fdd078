"""SQL, JavaScript and table functions, from CREATE through Google's REST form to their calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.bigquery.compiler.definitions import CreateRoutine, describe
from services.bigquery.errors import BigQueryError
from services.bigquery.language.analyzer import Analyzer, Scope
from services.bigquery.language.functions import javascript
from services.bigquery.language.functions.routines import text_of
from services.bigquery.loads.sources import MOST_LIBRARY, Bucket
from tests.googlesql import Database, pool, queries


class Routines:
    """Routines by their names as statements write them."""

    def __init__(self) -> None:
        self.database = Database()
        self.database.add("t", [("x", "INT64"), ("s", "STRING")], [[1, "a"], [2, None], [3, "b"]])
        self.resources: dict[str, Any] = {}

    def scope(self, sql: str) -> Scope:
        functions, tables = queries().analyzer.functions(
            queries().analyzer.routine_paths(sql),
            lambda path: self.resources.get(".".join(path)),
            lambda paths: [self.database.tables["t"]] if paths else [],
        )
        named = {table.path: table for table in (*self.database.scope(sql).tables, *tables)}
        return Scope(tables=list(named.values()), functions=functions)

    def create(self, sql: str) -> CreateRoutine:
        described = describe(queries().analyzer.analyze(sql, self.scope(sql)))
        assert isinstance(described, CreateRoutine)
        self.resources[".".join(described.path)] = described.resource
        return described

    def rows(self, sql: str) -> list[list[Any]]:
        database = self.database
        return queries().answer(database.connection, sql, self.scope(sql), database.behind()).rows


POSITIVE = """CREATE AGGREGATE FUNCTION d.f(x FLOAT64) RETURNS FLOAT64 LANGUAGE js AS '''
  export function initialState() { return {sum: 0} }
  export function aggregate(state, x) { state.sum += x === null ? 1000 : x > 0 ? x : 0; }
  export function merge(state, other) { state.sum += other.sum; }
  export function finalize(state) { return state.sum; }'''"""
JOINED = """CREATE AGGREGATE FUNCTION d.f(s STRING, x INT64, last STRING NOT AGGREGATE) RETURNS STRING
  LANGUAGE js AS '''
  var unused = 1; export function initialState(last) { return {text: ''} }
  export function aggregate(state, s, x, last) { state.text += s + x + last; }
  export function merge(state, other) {}
  export function finalize(state) { return state.text; }'''"""


@pytest.mark.parametrize(
    ("definition", "call", "rows"),
    [
        ("CREATE FUNCTION d.f(x INT64, y ANY TYPE) AS (x + y)", "SELECT d.f(1, 2), d.f(1, 0.5)", [[3, 1.5]]),
        ("CREATE FUNCTION `p.d.f`(x INT64) RETURNS FLOAT64 AS (x + 1)", "SELECT `p.d.f`(x) FROM p.d.t WHERE x = 2",
         [[3.0]]),
        ("CREATE FUNCTION d.f(x DATE, y ARRAY<STRING>) AS (IFNULL(FORMAT('%t', x), '-') || ARRAY_TO_STRING(y, '+'))",
         "SELECT d.f(NULL, ['a']), d.f((NULL), []), d.f('2020-01-02', NULL)", [["NULLa", "NULL", None]]),
        ("CREATE FUNCTION d.f(x FLOAT64) AS (x / 2)", "SELECT 'ö', d.f( NULL ), d.f(1)", [["ö", None, 0.5]]),
        ("CREATE FUNCTION d.f() AS ((SELECT COUNT(*) FROM p.d.t))", "SELECT d.f()", [[3]]),
        ("CREATE TABLE FUNCTION d.f(y INT64) AS SELECT x, s FROM `p.d.t` WHERE x > y",
         "SELECT * FROM d.f(1) ORDER BY x", [[2, None], [3, "b"]]),
        ("CREATE AGGREGATE FUNCTION d.f(x FLOAT64, y FLOAT64 NOT AGGREGATE) AS (SUM(x) * y)",
         "SELECT d.f(x, 10) FROM p.d.t", [[60.0]]),
        ("CREATE FUNCTION d.f(x FLOAT64) RETURNS INT64 LANGUAGE js AS 'return x * 2;'",
         "SELECT d.f(x) FROM p.d.t ORDER BY 1", [[2], [4], [6]]),
        (POSITIVE, "SELECT d.f(x), d.f(x IGNORE NULLS), d.f(x RESPECT NULLS) FROM UNNEST([1.0, -1, 2, NULL]) AS x",
         [[3.0, 3.0, 1003.0]]),
        (POSITIVE, "SELECT g, d.f(x) FROM UNNEST([STRUCT(1 AS g, 1.0 AS x), (2, NULL), (1, 7)]) GROUP BY g ORDER BY g",
         [[1, 8.0], [2, 0.0]]),
        (JOINED, "SELECT d.f(s, x, '-') FROM UNNEST([STRUCT('a' AS s, 9007199254740993 AS x), ('b', 2)])",
         [["a9007199254740993-b2-"]]),
        ("CREATE FUNCTION d.f(s STRUCT<a STRING, b ARRAY<FLOAT64>>) RETURNS STRUCT<z STRING, n INT64> LANGUAGE js AS "
         "'return s && {z: s.a + \"!\", n: s.b.length};'", "SELECT d.f(('q', [1.0])).z, d.f(NULL)", [["q!", None]]),
        ("CREATE FUNCTION d.f(b BYTES, t TIMESTAMP, d DATE, n NUMERIC, j JSON) RETURNS ARRAY<STRING> LANGUAGE js AS "
         "'return [b, t.toISOString(), d.toISOString(), typeof n, j.a];'",
         "SELECT d.f(b'\\xff', TIMESTAMP '2020-01-01', DATE '1969-12-31', NUMERIC '1.5', JSON '{\"a\": 1}')",
         [[["/w==", "2020-01-01T00:00:00.000Z", "1969-12-31T00:00:00.000Z", "string", "1"]]]),
        ("CREATE FUNCTION d.f(x BIGNUMERIC) RETURNS BIGNUMERIC LANGUAGE js AS 'return x + \"5\";'",
         "SELECT CAST(d.f(BIGNUMERIC '1.2345678901234567890') AS STRING)", [["1.2345678901234567895"]]),
        ("CREATE FUNCTION d.f(t TIMESTAMP) RETURNS FLOAT64 LANGUAGE js AS 'return t.microsecond;'",
         "SELECT d.f(TIMESTAMP '2020-01-01 00:00:00.123456')", [[456.0]]),
        ("CREATE FUNCTION d.f(x FLOAT64) RETURNS FLOAT64 LANGUAGE js AS 'return x > 1 ? Promise.resolve(x) : x;'",
         "SELECT d.f(x) FROM p.d.t ORDER BY 1", [[1.0], [2.0], [3.0]]),
        ("CREATE FUNCTION d.f() RETURNS FLOAT64 LANGUAGE js AS 'return Math.random();'",
         "SELECT COUNT(DISTINCT d.f()) FROM p.d.t", [[3]]),
        ("CREATE FUNCTION d.f(x FLOAT64) RETURNS FLOAT64 LANGUAGE js AS 'return x;'",
         "SELECT IS_NAN(d.f(CAST('nan' AS FLOAT64))), d.f(CAST('-inf' AS FLOAT64)) < 0", [[True, True]]),
    ],
)  # fmt: skip
def test_a_function_is_kept_as_rest_has_it_and_called(definition: str, call: str, rows: list[list[Any]]) -> None:
    routines = Routines()
    created = routines.create(definition)
    again = describe(queries().analyzer.analyze(text_of(created.resource, created.path), routines.scope(definition)))
    assert isinstance(again, CreateRoutine) and again.resource["arguments"] == created.resource["arguments"]
    assert routines.rows(call) == rows


def test_a_function_calls_another_and_reads_a_table() -> None:
    routines = Routines()
    routines.create("CREATE FUNCTION d.f(y INT64) AS ((SELECT COUNT(*) FROM `p.d.t` WHERE x > y))")
    routines.create("CREATE FUNCTION d.g(y INT64) AS (d.f(y) * 10)")
    assert routines.rows("SELECT d.g(1)") == [[20]]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of mini-racer, when it stops a loop
@pytest.mark.parametrize(
    ("body", "sentence"),
    [("throw new Error('no ' + x);", "Error: no 1"), ("return ((;", "SyntaxError"), ("return 'a';", "Failed to coerce"),
     ("return 1.5;", "Failed to coerce"), ("while (true) {}", "timed out"),
     ("const a = []; while (true) a.push(new Array(1e6).fill(1));", "out of memory"),
     ("return require('fs');", "require is not defined"), ("return Promise.reject(new Error('late'));", "late")],
)  # fmt: skip
def test_a_bad_javascript_function_fails_its_query(body: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "timed out" in sentence:
        monkeypatch.setattr(javascript, "SECONDS", 1.0)
    routines = Routines()
    routines.resources["d.f"] = {
        "routineType": "SCALAR_FUNCTION", "language": "JAVASCRIPT", "definitionBody": body,
        "arguments": [{"name": "x", "dataType": {"typeKind": "FLOAT64"}}], "returnType": {"typeKind": "INT64"},
    }  # fmt: skip
    with pytest.raises(BigQueryError, match=sentence):
        routines.rows("SELECT d.f(1)")
    assert routines.rows("SELECT 1") == [[1]]


def test_a_javascript_function_takes_no_int64() -> None:
    with pytest.raises(BigQueryError, match="INT64"):
        routines = Routines()
        routines.create("CREATE FUNCTION d.f(x INT64) RETURNS INT64 LANGUAGE js AS 'return x;'")
        routines.rows("SELECT d.f(1)")


def test_a_function_that_calls_itself_is_refused() -> None:
    routines = Routines()
    arguments = [{"name": "x", "dataType": {"typeKind": "INT64"}}]
    for name, other in (("f", "g"), ("g", "f")):
        routines.resources[f"d.{name}"] = {
            "routineType": "SCALAR_FUNCTION", "language": "SQL", "definitionBody": f"d.{other}(x)",
            "arguments": arguments, "returnType": {"typeKind": "INT64"},
        }  # fmt: skip
    with pytest.raises(BigQueryError, match=r"d\.f calls itself"):
        routines.rows("SELECT d.f(1)")


def test_only_dotted_calls_are_looked_up() -> None:
    sql = "SELECT d.f(1), `p.d.g`(x), SAFE.SUBSTR('a', 1), NET.HOST('a'), UPPER('a') FROM d.h(3), p.d.t"
    assert queries().analyzer.routine_paths(sql) == [("d", "f"), ("p.d.g",), ("d", "h")]
    assert queries().analyzer.routine_paths("SELECT COUNT(*) FROM p.d.t") == []


def test_a_javascript_function_uses_its_libraries() -> None:
    texts = {"gs://b/one.js": "function one(x) { return two(x) + 1; }", "gs://b/two.js": "const two = x => x * 2;"}
    analyzer = Analyzer(pool(), texts.__getitem__)
    text = """CREATE FUNCTION f(x FLOAT64) RETURNS FLOAT64 LANGUAGE js
        OPTIONS (library = ['gs://b/one.js', 'gs://b/two.js']) AS 'return one(x);'"""
    scope = Scope(functions=[analyzer.function(text, ("f",), Scope())])
    database = Database()
    assert queries().answer(database.connection, "SELECT f(3)", scope, database.behind()).rows == [[7.0]]


def test_a_library_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BigQueryError, match="gs://b/none.js"):
        Bucket(tmp_path).library("gs://b/none.js")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/large.js").write_bytes(b"/" * (MOST_LIBRARY + 1))
    with pytest.raises(BigQueryError, match="more than 1000000 bytes"):
        Bucket(tmp_path).library("gs://b/large.js")


def test_a_function_may_have_the_name_of_one_that_the_module_lacks() -> None:
    text = "CREATE TEMP FUNCTION Contains_Substr(a STRING, b STRING) AS (CONCAT(a, b))"
    own = queries().analyzer.function(text, ("Contains_Substr",), Scope())
    database = Database()
    answer = queries().answer(
        database.connection, "SELECT contains_substr('a', 'b')", Scope(functions=[own]), database.behind()
    )
    assert answer.rows == [["ab"]]
    assert database.answer("SELECT CONTAINS_SUBSTR('ab', 'B')").rows == [[True]]
