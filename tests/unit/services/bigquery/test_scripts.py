"""Scripts: variables, control flow, exceptions, EXECUTE IMMEDIATE and procedures, as Google documents them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from services.bigquery.compiler.definitions import CreateRoutine, describe
from services.bigquery.errors import BigQueryError
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.functions.routines import Function, Resource
from services.bigquery.queries import Answer
from services.bigquery.scripts.interpreter import Interpreter, Step
from services.bigquery.scripts.syntax import parse
from services.bigquery.types import bignumeric
from tests.googlesql import Database, pool, queries


class Host:
    """Runs queries on an empty database; notes what was run."""

    def __init__(self) -> None:
        self.database, self.ran = Database(), list[str]()
        self.procedures: dict[str, Resource] = {}

    def run(self, step: Step) -> Answer | None:
        self.ran.append(step.sql.strip())
        if step.kind == "CreateProcedureStatement":
            described = describe(queries().analyzer.analyze(step.sql, Scope()))
            assert isinstance(described, CreateRoutine)
            self.procedures[".".join(described.path)] = described.resource
        return self.evaluate(step) if step.kind == "QueryStatement" else None

    def evaluate(self, step: Step) -> Answer:
        scope = step.scope(self.database.scope(step.sql, step.parameters))
        if step.parameters and "1" in step.parameters:
            positional = [kind for kind, _ in step.parameters.values()]
            scope = dataclasses.replace(scope, named={}, positional=positional)
        return queries().answer(self.database.connection, step.sql, scope, self.database.behind(), step.parameters)

    def temporary_function(self, step: Step) -> Function:
        statement = queries().analyzer.analyze(step.sql, step.scope(Scope()))
        described = describe(statement)
        assert isinstance(described, CreateRoutine)
        return queries().analyzer.function(step.sql, described.path, step.scope(Scope()))

    def procedure(self, path: Sequence[str]) -> Resource:
        return self.procedures[".".join(path)]


def frame(line: int, column: int, procedure: str | None = None) -> dict[str, Any]:
    """An element of @@error.stack_trace in plain form."""
    return {"f0": line, "f1": column, "f2": None, "f3": procedure}


def rows(sql: str) -> Any:
    answer = Interpreter(pool(), Host()).run(parse(pool(), sql))
    return answer and answer.rows


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("DECLARE x INT64 DEFAULT 3; SET x = x * 2; SELECT x, x + 1", [[6, 7]]),
        ("DECLARE a, b STRING; DECLARE c DEFAULT [1, 2]; SET (a, b) = ('q', 'r'); SELECT a || b, c[1]", [["qr", 2]]),
        ("DECLARE f FLOAT64 DEFAULT 1; DECLARE d DATE; SET d = '2020-01-02'; SELECT f, EXTRACT(DAY FROM d)",
         [[1.0, 2]]),
        ("DECLARE x INT64 DEFAULT 5; IF x > 5 THEN SELECT 1; ELSEIF x = 5 THEN SELECT 2; ELSE SELECT 3; END IF", [[2]]),
        ("DECLARE n INT64 DEFAULT 0; WHILE n < 5 DO SET n = n + 1; IF n = 3 THEN BREAK; END IF; END WHILE; SELECT n",
         [[3]]),
        ("DECLARE n, s INT64 DEFAULT 0; LOOP SET n = n + 1; IF n > 4 THEN LEAVE; END IF; "
         "IF MOD(n, 2) = 0 THEN CONTINUE; END IF; SET s = s + n; END LOOP; SELECT s", [[4]]),
        ("DECLARE n INT64 DEFAULT 0; REPEAT SET n = n + 1; UNTIL n >= 3 END REPEAT; SELECT n", [[3]]),
        ("DECLARE t INT64 DEFAULT 0; FOR r IN (SELECT * FROM UNNEST([1, 2, 3]) AS v) DO SET t = t + r.v; END FOR; "
         "SELECT t", [[6]]),
        ("CASE 2 WHEN 1 THEN SELECT 'a'; WHEN 2 THEN SELECT 'b'; ELSE SELECT 'c'; END CASE", [["b"]]),
        ("CASE WHEN FALSE THEN SELECT 'a'; ELSE SELECT 'c'; END CASE", [["c"]]),
        ("BEGIN SELECT 1 / 0; EXCEPTION WHEN ERROR THEN SELECT @@error.message; END", [["division by zero: 1 / 0"]]),
        ("BEGIN RAISE USING MESSAGE = 'mine'; EXCEPTION WHEN ERROR THEN SELECT @@error.message; END", [["mine"]]),
        ("DECLARE x INT64; EXECUTE IMMEDIATE 'SELECT ? + @x' INTO x USING 1; SELECT x", None),
        ("DECLARE x INT64; EXECUTE IMMEDIATE 'SELECT ? * ?' INTO x USING 6, 7; SELECT x", [[42]]),
        ("DECLARE x STRING; EXECUTE IMMEDIATE 'SELECT @a || @b' INTO x USING 'p' AS a, 'q' AS b; SELECT x", [["pq"]]),
        ("CREATE TEMP FUNCTION f(x INT64) AS (x + 1); CREATE TEMP FUNCTION g(x INT64) AS (f(x) * 2); SELECT g(1)",
         [[4]]),
        ("CREATE PROCEDURE d.p(a INT64, OUT b INT64, INOUT c STRING) BEGIN SET b = a * 2; SET c = c || '!'; END; "
         "DECLARE x INT64; DECLARE y STRING DEFAULT 'hey'; CALL d.p(21, x, y); SELECT x, y", None),
        ("DECLARE x INT64; DECLARE y STRING DEFAULT 'hey'; "
         "CREATE PROCEDURE d.p(a INT64, OUT b INT64, INOUT c STRING) BEGIN SET b = a * 2; SET c = c || '!'; END; "
         "CALL d.p(21, x, y); SELECT x, y", [[42, "hey!"]]),
        ("SELECT 1; RETURN; SELECT 2", [[1]]),
        ("DECLARE n NUMERIC(5, 2) DEFAULT 1.235; DECLARE b BIGNUMERIC(39, 1); SET b = 0.25; SELECT n, b, n * 2",
         [[Decimal("1.24"), bignumeric(Decimal("0.3")), Decimal("2.48")]]),
        ("DECLARE s STRING(3) DEFAULT 'abc'; DECLARE a ARRAY<STRING(2)> DEFAULT ['xy']; SELECT s, a",
         [["abc", ["xy"]]]),
        ("DECLARE n NUMERIC(3, 1); EXECUTE IMMEDIATE \"SELECT NUMERIC '1.25'\" INTO n; SELECT n", [[Decimal("1.3")]]),
        ("BEGIN DECLARE x STRING(1); END; BEGIN DECLARE x STRING; SET x = 'long'; SELECT x; END", [["long"]]),
        ("BEGIN\n  SELECT 1;\n  SELECT 1 / 0;\nEXCEPTION WHEN ERROR THEN SELECT @@error.statement_text, "
         "@@error.stack_trace, @@error.formatted_stack_trace; END",
         [["SELECT 1 / 0", [frame(3, 3)], "At [3:3]"]]),
        ("CREATE PROCEDURE d.p() BEGIN\n SELECT 1;\n IF TRUE THEN\n  SELECT 1 / 0;\n END IF; END; BEGIN\n CALL d.p();\n"
         "EXCEPTION WHEN ERROR THEN SELECT @@error.statement_text, @@error.stack_trace; END",
         [["SELECT 1 / 0", [frame(4, 3, "d.p"), frame(6, 2)]]]),
        ("CREATE PROCEDURE d.p() BEGIN BEGIN\n SELECT 1 / 0; EXCEPTION WHEN ERROR THEN SELECT @@error.stack_trace; END;"
         " END;\nCALL d.p()", [[[frame(2, 2, "d.p"), frame(3, 1)]]]),
        ("BEGIN BEGIN SELECT 1 / 0; EXCEPTION WHEN ERROR THEN BEGIN RAISE USING MESSAGE = 'other'; EXCEPTION WHEN ERROR"
         " THEN END; SELECT @@error.statement_text; END; END", [["SELECT 1 / 0"]]),
        ("DECLARE x INT64 DEFAULT 1; BEGIN DECLARE y INT64 DEFAULT 2; SET x = x + y; END; SELECT x", [[3]]),
        ("DECLARE v INT64 DEFAULT 7; SELECT v, w FROM (SELECT 1 AS v, v AS w)", [[1, 7]]),
    ],
)  # fmt: skip
def test_a_script_answers_as_google_documents(sql: str, wanted: Any) -> None:
    if wanted is None:
        with pytest.raises(BigQueryError):
            rows(sql)
    else:
        assert rows(sql) == wanted


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT 1;\nSELECT wrong", r"Unrecognized name: wrong at \[2:8\]"),
        ("DECLARE x INT64;\nSET x = wrong + 1", r"Unrecognized name: wrong at \[2:9\]"),
        ("SET x = 1", "Undeclared variable: x"),
        ("DECLARE x INT64; SET x = 'a' || 'b'", "Cannot coerce expression of type STRING to type INT64"),
        ("BEGIN SELECT 1 / 0; EXCEPTION WHEN ERROR THEN RAISE; END", "division by zero"),
        ("BEGIN SELECT 1 / 0; END", "division by zero"),
        ("DECLARE x INT64; BEGIN DECLARE X STRING; END", "Variable 'x' redeclaration"),
        ("SET @@time_zone = 'America/New_York'; SELECT STRING(CURRENT_TIMESTAMP())", "does not support @@time_zone"),
        ("SET @@dataset_id = 'other'; SELECT 1", "does not support @@dataset_id"),
        ("DECLARE s STRING(3) DEFAULT 'abcd'", "maximum length 3 but got a value with length 4"),
        ("DECLARE s STRING(3); SET s = 'abc'; SET s = s || 'd'", "maximum length 3 but got a value with length 4"),
        ("DECLARE a ARRAY<STRING(2)>; SET a = ['x', 'xyz']", "maximum length 2 but got a value with length 3"),
        ("DECLARE n, m NUMERIC(5, 2); SET (n, m) = (NUMERIC '1', NUMERIC '1000')", "precision 5 and scale 2"),
        ("EXECUTE IMMEDIATE 'SELECT 1; SELECT 2'", "EXECUTE IMMEDIATE supports one statement"),
    ],
)
def test_an_error_ends_a_script(sql: str, sentence: str) -> None:
    with pytest.raises(BigQueryError, match=sentence):
        rows(sql)


def test_only_statements_are_run_and_not_expressions() -> None:
    host = Host()
    Interpreter(pool(), host).run(parse(pool(), "DECLARE x INT64 DEFAULT 1; BEGIN TRANSACTION; SELECT x; COMMIT"))
    assert host.ran == ["BEGIN TRANSACTION", "SELECT x", "COMMIT"]


def test_one_statement_is_no_script() -> None:
    assert not parse(pool(), "SELECT 1;").is_script
    assert parse(pool(), "SELECT 1; SELECT 2").is_script and parse(pool(), "CALL d.p()").is_script
