"""Query jobs: parameters, destinations, statistics, scripts, cancel, pages."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import requests
from google.api_core.exceptions import BadRequest, Conflict, GoogleAPICallError, NotFound
from google.cloud import bigquery

from tests.unit.services.bigquery.server.conftest import Warehouse


def scalar(name: str | None, kind: str, value: Any) -> bigquery.ScalarQueryParameter:
    return bigquery.ScalarQueryParameter(name, kind, value)


def run(warehouse: Warehouse, sql: str, **config: Any) -> Any:
    default = f"{warehouse.client.project}.{warehouse.dataset}"
    job = warehouse.client.query(
        sql, job_config=bigquery.QueryJobConfig(default_dataset=default, **config), retry=None, job_retry=None
    )
    job.result(retry=None)
    return job


def test_named_and_positional_parameters_have_their_types(warehouse: Warehouse) -> None:
    moment = datetime.datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)
    parts = [scalar("n", "INT64", 1), scalar("t", "TIMESTAMP", moment)]
    named = [
        bigquery.StructQueryParameter("s", *parts),
        bigquery.ArrayQueryParameter("l", "STRING", ["a", "b"]),
        scalar("nothing", "DATE", None),
    ]
    rows = run(warehouse, "SELECT @s.n, @s.t, @l, @nothing", query_parameters=named).result()
    assert [tuple(row) for row in rows] == [(1, moment, ["a", "b"], None)]
    positional = [scalar(None, "INT64", 4), scalar(None, "BYTES", b"\xff")]
    assert [tuple(row) for row in run(warehouse, "SELECT ? + 1, ?", query_parameters=positional).result()] == [
        (5, b"\xff")
    ]


def test_columns_without_a_name_are_numbered(warehouse: Warehouse) -> None:
    assert [field.name for field in run(warehouse, "SELECT 1, 2 AS a, 3").result().schema] == ["f0_", "a", "f1_"]
    with pytest.raises(BadRequest, match=r"Duplicate column names in the result .* Found duplicate\(s\): A, a"):
        run(warehouse, "SELECT 1 AS a, 2 AS A")


def test_a_dry_run_gives_the_schema_and_runs_nothing(warehouse: Warehouse) -> None:
    config = bigquery.QueryJobConfig(dry_run=True)
    job = warehouse.client.query("SELECT 1 / 0 AS x", job_config=config)
    assert [field.name for field in job.schema] == ["x"] and job.statement_type == "SELECT"
    with pytest.raises(BadRequest, match=r"Syntax error: .* at \[1:1\]"):
        warehouse.client.query("SELEC 1", job_config=config, retry=None)


def test_a_destination_is_written_as_its_disposition_says(warehouse: Warehouse) -> None:
    to = f"{warehouse.client.project}.{warehouse.dataset}.t"
    assert [tuple(row) for row in run(warehouse, "SELECT 1 AS a", destination=to).result()] == [(1,)]
    with pytest.raises(Conflict, match="Already Exists: Table"):
        run(warehouse, "SELECT 2 AS a", destination=to)
    run(warehouse, "SELECT 2 AS a", destination=to, write_disposition="WRITE_APPEND")
    assert warehouse.rows("SELECT a FROM t ORDER BY a") == [(1,), (2,)]
    with pytest.raises(BadRequest, match="Cannot add fields"):
        run(warehouse, "SELECT 3 AS a, 4 AS b", destination=to, write_disposition="WRITE_APPEND")
    added = {"write_disposition": "WRITE_APPEND", "schema_update_options": ["ALLOW_FIELD_ADDITION"]}
    run(warehouse, "SELECT 3 AS a, 4 AS b", destination=to, **added)
    assert warehouse.rows("SELECT a, b FROM t ORDER BY a") == [(1, None), (2, None), (3, 4)]
    run(warehouse, "SELECT 'x' AS c", destination=to, write_disposition="WRITE_TRUNCATE")
    assert warehouse.rows("SELECT * FROM t") == [("x",)]
    with pytest.raises(NotFound, match="Not found: Table"):
        run(warehouse, "SELECT 1 AS a", destination=f"{to}2", create_disposition="CREATE_NEVER")


def test_the_dataset_of_anonymous_tables_is_there_for_clients_that_name_it(warehouse: Warehouse) -> None:
    hidden = f"_anonymous_{warehouse.dataset}"
    warehouse.rows(f"CREATE TABLE {hidden}.t AS SELECT 1 AS a")
    run(warehouse, "SELECT 2 AS a", destination=f"{warehouse.client.project}.{hidden}.u")
    assert warehouse.rows(f"SELECT a FROM {hidden}.t UNION ALL SELECT a FROM {hidden}.u ORDER BY a") == [(1,), (2,)]
    assert hidden not in {one.dataset_id for one in warehouse.client.list_datasets()}
    warehouse.client.delete_dataset(hidden, delete_contents=True)


def test_a_partition_is_replaced_alone(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE p (d DATE, x INT64) PARTITION BY d")
    warehouse.rows("INSERT INTO p VALUES ('2020-01-01', 1), ('2020-01-02', 2)")
    to = f"{warehouse.client.project}.{warehouse.dataset}.p$20200102"
    sql = "SELECT DATE '2020-01-02' AS d, 22 AS x"
    run(warehouse, sql, destination=to, write_disposition="WRITE_TRUNCATE")
    assert warehouse.rows("SELECT x FROM p ORDER BY d") == [(1,), (22,)]
    assert [table.table_id for table in warehouse.client.list_tables(warehouse.dataset)] == ["p"]


def test_statistics_say_what_a_statement_did(warehouse: Warehouse) -> None:
    made = run(warehouse, "CREATE TABLE t AS SELECT 1 AS a, 'x' AS b")
    assert (made.statement_type, made.ddl_operation_performed) == ("CREATE_TABLE_AS_SELECT", "CREATE")
    assert made.ddl_target_table.table_id == "t" and made.destination.table_id == "t"
    inserted = run(warehouse, "INSERT INTO t VALUES (2, 'y'), (3, NULL)")
    assert (inserted.num_dml_affected_rows, inserted.dml_stats.inserted_row_count) == (2, 2)
    assert run(warehouse, "UPDATE t SET b = 'z' WHERE a > 1").num_dml_affected_rows == 2
    assert run(warehouse, "DELETE FROM t WHERE a = 1").dml_stats.deleted_row_count == 1
    into = "MERGE t USING UNNEST([2, 3, 8, 9]) AS k ON a = k WHEN MATCHED AND k = 2 THEN DELETE "
    stats = run(warehouse, f"{into} WHEN MATCHED THEN UPDATE SET b = 'm' WHEN NOT MATCHED THEN INSERT (a) VALUES (k)")
    merged = (stats.dml_stats.inserted_row_count, stats.dml_stats.deleted_row_count, stats.dml_stats.updated_row_count)
    assert (stats.num_dml_affected_rows, merged) == (4, (2, 1, 1))
    asked = run(warehouse, "SELECT * FROM t")
    assert [one.table_id for one in asked.referenced_tables] == ["t"]
    assert run(warehouse, "CREATE TABLE IF NOT EXISTS t (a INT64)").ddl_operation_performed == "SKIP"


@pytest.mark.parametrize(
    ("alteration", "columns"),
    [
        ("ADD COLUMN c NUMERIC(4, 2)", [("a", "INTEGER"), ("b", "STRING"), ("c", "NUMERIC")]),
        ("DROP COLUMN b", [("a", "INTEGER")]),
        ("RENAME COLUMN b TO bb", [("a", "INTEGER"), ("bb", "STRING")]),
        ("ALTER COLUMN a SET DATA TYPE NUMERIC", [("a", "NUMERIC"), ("b", "STRING")]),
        ("ADD COLUMN IF NOT EXISTS b STRING", [("a", "INTEGER"), ("b", "STRING")]),
    ],
)
def test_columns_are_altered(warehouse: Warehouse, alteration: str, columns: list[tuple[str, str]]) -> None:
    warehouse.rows("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b")
    warehouse.rows(f"ALTER TABLE t {alteration}")
    found = warehouse.client.get_table(f"{warehouse.dataset}.t").schema
    assert [(field.name, field.field_type) for field in found] == columns
    assert warehouse.rows("SELECT a FROM t") == [(1,)]


def test_options_are_set_and_taken_away(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t (a INT64) OPTIONS (description = 'trips', labels = [('k', 'v')])")
    table = warehouse.client.get_table(f"{warehouse.dataset}.t")
    assert (table.description, table.labels) == ("trips", {"k": "v"})
    warehouse.rows("ALTER TABLE t SET OPTIONS (description = NULL)")
    assert warehouse.client.get_table(table).description is None
    warehouse.rows("ALTER TABLE IF EXISTS nothing SET OPTIONS (description = NULL)")


def test_a_script_is_a_job_with_a_job_for_each_statement(warehouse: Warehouse) -> None:
    job = run(warehouse, "DECLARE x INT64 DEFAULT 2; CREATE TEMP TABLE t AS SELECT x AS a; SELECT a + 1 FROM t")
    assert [tuple(row) for row in job.result()] == [(3,)]
    assert job.statement_type == "SCRIPT" and job.num_child_jobs == 2
    children = [one.statement_type for one in warehouse.client.list_jobs(parent_job=job.job_id)]
    assert children == ["SELECT", "CREATE_TABLE_AS_SELECT"]
    assert list(warehouse.client.list_tables(warehouse.dataset)) == []


@pytest.mark.parametrize(("end", "left"), [("COMMIT TRANSACTION", 1), ("ROLLBACK TRANSACTION", 2), ("SELECT 1 / 0", 2)])
def test_a_transaction_is_whole_or_not_at_all(warehouse: Warehouse, end: str, left: int) -> None:
    warehouse.rows("CREATE TABLE t AS SELECT a FROM UNNEST([1, 2]) AS a")
    sql = f"BEGIN TRANSACTION; DELETE FROM t WHERE a = 1; {end};"
    if "/" in end:
        with pytest.raises(BadRequest, match="division by zero"):
            warehouse.rows(sql)
    else:
        warehouse.rows(sql)
    assert warehouse.rows("SELECT count(*) FROM t") == [(left,)]


def test_functions_and_procedures_are_called(warehouse: Warehouse) -> None:
    name = warehouse.dataset
    warehouse.rows(f"CREATE FUNCTION {name}.f(x INT64) AS (x + 1)")
    warehouse.rows(f"CREATE PROCEDURE {name}.p(x INT64, OUT y INT64) BEGIN SET y = {name}.f(x); END")
    assert warehouse.rows(f"DECLARE z INT64; CALL {name}.p(4, z); SELECT z") == [(5,)]
    assert warehouse.rows("CREATE TEMP FUNCTION g(x INT64) AS (x * 2); SELECT g(4)") == [(8,)]
    with pytest.raises(Conflict, match="Already Exists: Routine"):
        warehouse.rows(f"CREATE FUNCTION {name}.f(x INT64) AS (x + 1)")


def test_a_cancelled_job_ends(warehouse: Warehouse) -> None:
    series = "UNNEST(GENERATE_ARRAY(1, 16000))"
    sql = f"SELECT count(*) FROM {series} a, {series} b, {series} c WHERE MOD(a * b * c, 7) = 3"
    job = warehouse.client.query(sql, retry=None, job_retry=None)
    job.cancel()
    with pytest.raises(GoogleAPICallError, match="Job execution was cancelled"):
        job.result(retry=None)
    assert job.reload() is None and job.state == "DONE"


def test_a_job_id_is_used_once(warehouse: Warehouse) -> None:
    job = run(warehouse, "SELECT 1")
    with pytest.raises(Conflict, match=f"Already Exists: Job test-project:US.{job.job_id}"):
        warehouse.client.query("SELECT 1", job_id=job.job_id, retry=None, job_retry=None).result()
    warehouse.client.delete_job_metadata(job.job_id)
    with pytest.raises(NotFound, match="Not found: Job"):
        warehouse.client.get_job(job.job_id, retry=None)


def test_a_result_comes_in_pages(warehouse: Warehouse) -> None:
    rows = warehouse.client.query("SELECT x FROM UNNEST(GENERATE_ARRAY(1, 25)) AS x ORDER BY x").result(page_size=10)
    assert [len(list(page)) for page in rows.pages] == [10, 10, 5]
    assert rows.total_rows == 25


def test_rest_answers_timestamps_as_java_prints_seconds(warehouse: Warehouse) -> None:
    sql = "SELECT TIMESTAMP '2020-01-01', TIMESTAMP '1970-01-01 00:00:00.5', TIMESTAMP_MICROS(-1)"
    body = {"query": sql, "useLegacySql": False}
    address = f"{warehouse.server.address}/bigquery/v2/projects/test-project/queries"
    answer = requests.post(address, json=body).json()
    assert answer["rows"] == [{"f": [{"v": "1.5778368E9"}, {"v": "0.5"}, {"v": "-1.0E-6"}]}]
    body["formatOptions"] = {"useInt64Timestamp": True}
    answer = requests.post(address, json=body).json()
    assert answer["rows"] == [{"f": [{"v": "1577836800000000"}, {"v": "500000"}, {"v": "-1"}]}]


def test_legacy_sql_is_refused_by_name(warehouse: Warehouse) -> None:
    body = {"query": "SELECT 1", "useLegacySql": True}
    answer = requests.post(f"{warehouse.server.address}/bigquery/v2/projects/p/queries", json=body)
    assert answer.status_code == 501 and "legacy SQL" in answer.json()["error"]["message"]


def test_jobs_that_a_killed_server_left_have_failed(tmp_path: Any) -> None:
    from services.bigquery.jobs.history import History
    from services.bigquery.jobs.job import Job, Jobs

    history = History(tmp_path)
    job = Job("p", "j", {"jobType": "QUERY", "query": {}}, statistics={"creationTime": "1"}, state="RUNNING")
    history.save("p", "j", 1, "", "RUNNING", job.resource())
    history.close()
    jobs = Jobs(History(tmp_path), {}, lambda name: None)
    found = jobs.get("p", "j")
    assert found.state == "DONE" and found.error and "Run it again" in found.error.message
    jobs.forget_expired()
    assert jobs.find("p") == []
    jobs.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT [1, NULL] AS a",
        "SELECT STRUCT([1, NULL] AS inner_array) AS a",
        "SELECT [STRUCT([1] AS b), STRUCT([2, NULL] AS b)] AS a",
        "CREATE TABLE made AS SELECT [1, NULL] AS a",
        "INSERT kept (a) VALUES ([1]), ([2, NULL])",
        "INSERT kept (a) SELECT ARRAY_AGG(x) FROM UNNEST([1, NULL]) AS x",
        "UPDATE kept SET a = [NULL] WHERE true",
        "MERGE kept USING (SELECT 1) ON false WHEN NOT MATCHED THEN INSERT (a) VALUES ([NULL])",
        "DECLARE v ARRAY<INT64> DEFAULT [1, NULL]; SELECT v AS a",
    ],
)
def test_arrays_with_null_in_them_are_neither_answered_nor_stored(warehouse: Warehouse, sql: str) -> None:
    warehouse.rows("CREATE TABLE kept AS SELECT [1] AS a")
    with pytest.raises(BadRequest, match="Array cannot have a null element; error in writing field a"):
        run(warehouse, sql)
    assert warehouse.rows("SELECT a FROM kept") == [([1],)]
    assert warehouse.rows("SELECT ARRAY_LENGTH([1, NULL]), CAST(NULL AS ARRAY<INT64>)") == [(2, [])]


def test_the_user_of_a_statement_is_that_of_its_job(warehouse: Warehouse) -> None:
    job = run(warehouse, "SELECT SESSION_USER() AS one")
    assert [row["one"] for row in job.result()] == [job.user_email]
