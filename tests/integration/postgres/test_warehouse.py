"""Everything that a student can have in the warehouse is in a backup and comes back; nothing prevents a backup."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.postgres.test_planted_code import back_up
from tests.postgres_server import PASSWORDS, Server

ODD = '"odd\nname|x\t\\"'
EVERYTHING = f"""
CREATE TABLE {ODD} (a int); INSERT INTO {ODD} VALUES (1), (2);
COMMENT ON TABLE {ODD} IS 'a comment';
CREATE TABLE t (id serial PRIMARY KEY, x text); INSERT INTO t (x) VALUES ('a');
CREATE TABLE months (m text) PARTITION BY LIST (m);
CREATE TABLE january PARTITION OF months FOR VALUES IN ('1'); INSERT INTO months VALUES ('1');
CREATE SCHEMA mine; CREATE TABLE mine.t (a int);
CREATE VIEW v AS SELECT * FROM t;
CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
CREATE MATERIALIZED VIEW "First of all" AS SELECT * FROM m;
CREATE MATERIALIZED VIEW empty AS SELECT * FROM m WITH NO DATA;
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TYPE mood AS ENUM ('good');
SELECT lo_from_bytea(4711, 'hello');
COMMENT ON SCHEMA public IS 'my schema';
COMMENT ON DATABASE ny_taxi IS 'it''s "mine"';
ALTER DATABASE ny_taxi SET search_path = mine, "B c", public;
ALTER ROLE ny_taxi SET statement_timeout = '1ms';
ALTER ROLE ny_taxi IN DATABASE ny_taxi SET application_name = 'it''s \\ "x"
two lines';
ALTER DATABASE ny_taxi SET default_transaction_read_only = on;
"""
ROWS = {"odd\nname|x\t\\": 2, "t": 1, "months": 0, "january": 1, "mine.t": 0}


def test_everything_comes_back(student: Server) -> None:
    student.as_student(EVERYTHING)
    database = student.database()
    content, snapshot = back_up(database)
    defined = database.definitions([])
    assert snapshot.rows == database.count_rows() == ROWS
    student.empty()
    assert database.count_rows() == {} and database.definitions([]) == []
    database.restore(io.BytesIO(content))
    assert database.restore_facts(snapshot.facts) == []
    assert (database.count_rows(), database.definitions([])) == (ROWS, defined)
    _, again = back_up(database)
    assert again.facts == snapshot.facts
    asked = """
        SELECT count(*) FROM public."First of all"; SELECT relispopulated FROM pg_class WHERE relname = 'empty';
        SELECT obj_description('public.t'::regclass); SELECT obj_description('public'::regnamespace);
        SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'ny_taxi';
        SELECT convert_from(lo_get(4711), 'UTF8');
        SELECT to_json(obj_description(oid)) FROM pg_class WHERE relname ~ '^odd';
    """
    assert database.ask(asked) == ["1", "f", "", "my schema", 'it\'s "mine"', "hello", '"a comment"']


def test_an_extension_comes_back_with_its_comment(student: Server) -> None:
    database = student.database()
    if not database.ask("SELECT 1 FROM pg_available_extensions WHERE name = 'hstore'"):
        pytest.skip("this PostgreSQL has no extensions (the wheel of the embedded runtime)")
    student.as_student("CREATE EXTENSION hstore; CREATE TABLE t (a hstore); INSERT INTO t VALUES ('a=>1')")
    content, _ = back_up(database)
    student.empty()
    database.restore(io.BytesIO(content))
    assert student.as_student("SELECT a -> 'a' FROM t") == "1"


def test_rows_that_a_forced_policy_hides_are_in_the_backup(student: Server) -> None:
    student.as_student(
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2); CREATE POLICY none ON t USING (false);"
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;"
    )
    content, snapshot = back_up(student.database())
    student.empty()
    student.database().restore(io.BytesIO(content))
    assert snapshot.rows == student.database().count_rows() == {"t": 2}


def test_a_view_that_can_no_longer_be_computed_is_named_and_all_else_is_back(student: Server) -> None:
    student.as_student(
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1);"
        "CREATE MATERIALIZED VIEW broken AS SELECT 1 / a AS b FROM t; CREATE MATERIALIZED VIEW good AS SELECT * FROM t;"
        "UPDATE t SET a = 0;"
    )
    content, snapshot = back_up(student.database())
    student.empty()
    student.database().restore(io.BytesIO(content))
    (line,) = student.database().restore_facts(snapshot.facts)
    assert line.startswith("the rows of public.broken: ") and "division by zero" in line
    assert student.as_student("SELECT * FROM good") == "0"


def test_facts_of_a_crafted_manifest_run_no_other_statement(student: Server) -> None:
    student.as_student("CREATE TABLE t (a int)")
    proof = student.folder / "proof"
    facts = {
        "views": ["t; DROP TABLE t", f"t\n\\! touch {proof}", "t' \\g"],
        "settings": [["database", "x TO 1; DROP TABLE t; --", "1"], ["other", "search_path", f"a\n\\! touch {proof}"]],
        "comment": f"`touch {proof}` '; DROP TABLE t; --\n\\! touch {proof}",
    }
    refused = student.database().restore_facts(facts)
    assert len(refused) == 5 and all(line.isprintable() for line in refused), refused
    assert not proof.exists()
    assert student.database().count_rows() == {"t": 0}
    comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
    assert "\n".join(student.database().ask(comment)) == facts["comment"]


@contextmanager
def session(student: Server, sql: str) -> Iterator[subprocess.Popen[str]]:
    """Keeps a student's session open, after it has run the SQL."""
    where = f"postgresql://ny_taxi:{PASSWORDS['ny_taxi']}@127.0.0.1:{student.port}/ny_taxi"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["psql", "-qAt", where], env=student.variables, stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(f"{sql}; SELECT 'done';\n")
        process.stdin.flush()
        while process.stdout.readline().strip() != "done":
            pass
        yield process
        process.stdin.close()


SETTINGS = {
    "local_preload_libraries": "nope",
    "idle_session_timeout": "1ms",
    "client_encoding": "LATIN1",
    "default_table_access_method": "nope",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "DateStyle": "German",
    "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "xmloption": "document",
    "search_path": "nowhere",
    "role": "orion",
    "client_min_messages": "debug5",
}


@pytest.mark.parametrize("whose", ["DATABASE ny_taxi", "ROLE ny_taxi", "ROLE ny_taxi IN DATABASE ny_taxi"])
def test_no_setting_prevents_a_backup_or_a_restore(whose: str, student: Server) -> None:
    student.as_student(
        'CREATE TABLE "Łódź" (a timestamptz, b bytea); INSERT INTO "Łódź" VALUES (now(), \'ł\');'
        + "".join(f"ALTER {whose} SET {name} = '{value}';" for name, value in SETTINGS.items())
    )
    database = student.database()
    content, snapshot = back_up(database)
    assert snapshot.rows == database.count_rows() == {"Łódź": 1}
    student.as_student(
        'DROP TABLE public."Łódź"',
        "-c local_preload_libraries= -c idle_session_timeout=0 -c client_encoding=UTF8 -c role=none",
    )
    database.restore(io.BytesIO(content))
    assert database.count_rows() == {"Łódź": 1}


def test_a_setting_with_which_nobody_could_log_in_is_not_restored(student: Server) -> None:
    names = ("local_preload_libraries", "LOCAL_Preload_LIBRARIES", "idle_session_timeout")
    facts = {"settings": [[scope, name, "1"] for scope in ("database", "role", "both") for name in names]}
    refused = student.database().restore_facts(facts)
    assert len(refused) == 9 and all("nobody could" in line for line in refused)
    assert student.as_student("SELECT 1") == "1"


def test_a_temporary_table_of_another_session_prevents_no_backup(student: Server) -> None:
    student.as_student("CREATE TABLE t (a int)")
    with session(student, "CREATE TEMPORARY TABLE mine AS SELECT 1"):
        _, snapshot = back_up(student.database())
    assert snapshot.rows == {"t": 0}


def test_what_a_new_platform_has_is_no_definition(student: Server) -> None:
    student.as_student(
        "CREATE TABLE green_tripdata (m text) PARTITION BY LIST (m);"
        "CREATE TABLE january PARTITION OF green_tripdata FOR VALUES IN ('1')"
    )
    database = student.database()
    assert database.definitions(["green_tripdata"]) == []
    assert database.definitions([]) == ["table public.green_tripdata"]


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("CREATE TABLE t (a int)", "table public.t"),
        ("CREATE VIEW v AS SELECT 1", "view public.v"),
        ("CREATE SEQUENCE s", "sequence public.s"),
        ("CREATE SCHEMA mine", "schema mine"),
        ("CREATE TYPE mood AS ENUM ()", "type public.mood"),
        ("CREATE TYPE pair AS (a int)", "type public.pair"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function public.f()"),
        ("CREATE PUBLICATION p", "publication p"),
        ("SELECT lo_create(4711)", "large object 4711"),
        ("CREATE TABLE green_tripdata (a text) PARTITION BY LIST (a); CREATE INDEX i ON green_tripdata (a)", "index i"),
        ("ALTER ROLE ny_taxi SET search_path = x", "setting search_path"),
    ],
)
def test_each_kind_of_definition_counts(sql: str, what: str, student: Server) -> None:
    student.as_student(sql)
    assert any(found.endswith(what) for found in student.database().definitions(["green_tripdata"]))
