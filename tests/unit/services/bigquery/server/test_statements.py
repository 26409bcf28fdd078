"""Sessions, what statements cost, and statements that are neither queries nor changes."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.unit.services.bigquery.server.conftest import Warehouse


def run(warehouse: Warehouse, sql: str, session: str = "", **options: Any) -> Any:
    """The job of a query, in a session."""
    config: Any = bigquery.QueryJobConfig(default_dataset=f"{warehouse.client.project}.{warehouse.dataset}", **options)
    if session:
        config.connection_properties = [bigquery.ConnectionProperty("session_id", session)]
    job = warehouse.client.query(sql, job_config=config, retry=None, job_retry=None)
    job.result(retry=None)
    return job


def rows(job: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in job.result()]


def test_a_session_keeps_tables_functions_and_variables(warehouse: Warehouse) -> None:
    first = run(warehouse, "CREATE TEMP TABLE kept AS SELECT 1 AS a", create_session=True)
    session = first.session_info.session_id
    assert first.statement_type == "CREATE_TABLE_AS_SELECT"
    run(warehouse, "DECLARE v INT64 DEFAULT 5", session)
    run(warehouse, "CREATE TEMP FUNCTION twice(x INT64) AS (2 * x)", session)
    assert rows(run(warehouse, "SELECT v + a, twice(v) FROM kept", session)) == [(6, 10)]
    run(warehouse, "SET v = v + 1", session)
    assert rows(run(warehouse, "SELECT v", session)) == [(6,)]
    with pytest.raises(exceptions.BadRequest, match=r"Unrecognized name: v"):
        run(warehouse, "SELECT v")
    with pytest.raises(exceptions.NotFound, match="kept"):
        run(warehouse, "SELECT * FROM kept")


def hidden(warehouse: Warehouse) -> set[Any]:
    """The datasets of temporary tables."""
    store: Any = warehouse.server.app.api.store
    with store.transaction() as tx:
        return {path for path in tx.catalogue.datasets if path[1].startswith("_script")}


def test_a_session_that_was_ended_is_gone(warehouse: Warehouse) -> None:
    before = hidden(warehouse)
    session = run(warehouse, "CREATE TEMP TABLE kept AS SELECT 1 AS a", create_session=True).session_info.session_id
    assert len(hidden(warehouse) - before) == 1
    run(warehouse, "CALL BQ.ABORT_SESSION()", session)
    with pytest.raises(exceptions.NotFound, match="Session"):
        run(warehouse, "SELECT 1", session)
    assert hidden(warehouse) == before


def test_a_transaction_does_not_stay_open_between_the_jobs_of_a_session(warehouse: Warehouse) -> None:
    session = run(warehouse, "SELECT 1", create_session=True).session_info.session_id
    with pytest.raises(exceptions.MethodNotImplemented, match="transaction that stays open"):
        run(warehouse, "BEGIN TRANSACTION", session)
    run(warehouse, "BEGIN TRANSACTION; COMMIT TRANSACTION", session)


def test_a_statement_costs_the_columns_that_it_reads(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE d (a INT64, b STRING)".replace("TABLE d", f"TABLE {warehouse.dataset}.t"))
    warehouse.rows("INSERT INTO t VALUES (1, 'xyz'), (2, NULL)")
    warehouse.rows("CREATE VIEW v AS SELECT a FROM t")
    found = {
        sql: (job.total_bytes_processed, job.total_bytes_billed)
        for sql in ("SELECT * FROM t", "SELECT b FROM t", "SELECT COUNT(*) FROM t", "SELECT * FROM v", "SELECT 1")
        for job in [run(warehouse, sql)]
    }
    assert found == {
        "SELECT * FROM t": (21, 10 * 2**20),
        "SELECT b FROM t": (5, 10 * 2**20),
        "SELECT COUNT(*) FROM t": (0, 0),
        "SELECT * FROM v": (16, 10 * 2**20),
        "SELECT 1": (0, 0),
    }
    assert run(warehouse, "UPDATE t SET a = 3 WHERE a = 1").total_bytes_processed == 21
    assert run(warehouse, "SELECT a FROM t; SELECT b FROM t").total_bytes_processed == 21
    config = bigquery.QueryJobConfig(dry_run=True, default_dataset=f"{warehouse.client.project}.{warehouse.dataset}")
    assert warehouse.client.query("SELECT a FROM t", job_config=config).total_bytes_processed == 16


def test_an_assertion_that_does_not_hold_is_an_error(warehouse: Warehouse) -> None:
    warehouse.rows("ASSERT (SELECT COUNT(*) > 1 FROM UNNEST([1, 2])) AS 'enough'")
    with pytest.raises(exceptions.BadRequest, match="more than 5 rows"):
        warehouse.rows("ASSERT (SELECT COUNT(*) > 5 FROM UNNEST([1, 2])) AS 'more than 5 rows'")
    with pytest.raises(exceptions.BadRequest, match="Assertion failed"):
        warehouse.rows("ASSERT NULL")


def test_load_data_makes_and_fills_a_table(warehouse: Warehouse) -> None:
    uri = warehouse.server.put("loaded.csv", b"x,y\n1,a\n2,b\n")
    files = f"FROM FILES (format = 'CSV', uris = ['{uri}'], skip_leading_rows = 1)"
    job = run(warehouse, f"LOAD DATA INTO t (x INT64, y STRING) OPTIONS (description = 'mine') {files}")
    assert job.statement_type == "LOAD_DATA"
    table = warehouse.client.get_table(f"{warehouse.dataset}.t")
    assert (table.description, table.num_rows) == ("mine", 2)
    run(warehouse, f"LOAD DATA INTO t {files}")
    assert warehouse.rows("SELECT COUNT(*) FROM t") == [(4,)]
    run(warehouse, f"LOAD DATA OVERWRITE t {files}")
    assert warehouse.rows("SELECT y, x FROM t ORDER BY x") == [("a", 1), ("b", 2)]
    with pytest.raises(exceptions.BadRequest, match="Unknown option: nonsense"):
        run(warehouse, f"LOAD DATA INTO t {files.replace('skip_leading_rows', 'nonsense')}")


def test_options_are_kept_and_unknown_ones_refused(warehouse: Warehouse) -> None:
    warehouse.rows(
        "CREATE TABLE t (x INT64 NOT NULL OPTIONS (description = 'c'), PRIMARY KEY (x) NOT ENFORCED) "
        "OPTIONS (labels = [('a', 'b')], friendly_name = 'f', expiration_timestamp = TIMESTAMP '2100-01-01')"
    )
    warehouse.rows("CREATE VIEW v OPTIONS (description = 'seen') AS SELECT 1 AS x")
    table = warehouse.client.get_table(f"{warehouse.dataset}.t")
    assert (table.labels, table.friendly_name, table.expires.year) == ({"a": "b"}, "f", 2100)
    assert table.schema[0].description == "c" and table.table_constraints.primary_key.columns == ["x"]
    assert warehouse.client.get_table(f"{warehouse.dataset}.v").description == "seen"
    with pytest.raises(exceptions.BadRequest, match="Unknown option: nonsense"):
        warehouse.rows("ALTER TABLE t SET OPTIONS (nonsense = 1)")
    with pytest.raises(exceptions.MethodNotImplemented, match="option storage_uri"):
        warehouse.rows("CREATE TABLE t2 (x INT64) OPTIONS (storage_uri = 'gs://b/x')")


def test_a_table_may_want_a_filter_on_its_partitions(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t (day DATE, x INT64) PARTITION BY day OPTIONS (require_partition_filter = true)")
    warehouse.rows("INSERT INTO t VALUES ('2020-01-01', 1), ('2020-01-02', 2)")
    for sql in (
        "SELECT x FROM t WHERE day = '2020-01-02'",
        "SELECT x FROM (SELECT * FROM t) WHERE day > '2020-01-01'",
        "SELECT t.x FROM t JOIN (SELECT DATE '2020-01-02' AS d) ON day = d",
    ):
        assert warehouse.rows(sql) == [(2,)]
    warehouse.rows("MERGE t USING (SELECT DATE '2020-01-02' AS d) ON day = d WHEN MATCHED THEN UPDATE SET x = 3")
    warehouse.rows("UPDATE t SET x = 4 WHERE day = '2020-01-02'")
    for sql in (
        "SELECT COUNT(*) FROM t",
        "SELECT * FROM t WHERE x = 1",
        "DELETE FROM t WHERE x > 0",
        "SELECT day FROM t",
    ):
        with pytest.raises(exceptions.BadRequest, match=r"without a filter over column\(s\) 'day'"):
            warehouse.rows(sql)


def test_grants_are_kept_and_shown(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t (x INT64)")
    warehouse.rows("GRANT `roles/bigquery.dataViewer` ON TABLE t TO 'user:a@x.com', 'user:b@x.com'")
    warehouse.rows(f"GRANT `roles/bigquery.dataOwner` ON SCHEMA {warehouse.dataset} TO 'user:c@x.com'")
    warehouse.rows("REVOKE `roles/bigquery.dataViewer` ON TABLE t FROM 'user:a@x.com'")
    sql = "SELECT object_type, privilege_type, grantee FROM `region-us`.INFORMATION_SCHEMA.OBJECT_PRIVILEGES "
    assert warehouse.rows(f"{sql} WHERE object_schema = '{warehouse.dataset}' AND object_name = 't'") == [
        ("TABLE", "roles/bigquery.dataViewer", "user:b@x.com")
    ]
    assert warehouse.rows(f"{sql} WHERE object_name = '{warehouse.dataset}'") == [
        ("SCHEMA", "roles/bigquery.dataOwner", "user:c@x.com")
    ]
    assert "_grants" not in warehouse.get(f"/datasets/{warehouse.dataset}/tables/t")


def test_jobs_are_seen_in_the_information_schema(warehouse: Warehouse) -> None:
    job = run(warehouse, "SELECT 1 AS one", labels={"a": "b"})
    sql = "SELECT statement_type, state, total_bytes_processed, labels[0].key, query, error_result.reason FROM "
    sql += f"`region-us`.INFORMATION_SCHEMA.JOBS WHERE job_id = '{job.job_id}'"
    assert warehouse.rows(sql) == [("SELECT", "DONE", 0, "a", "SELECT 1 AS one", None)]


def test_jobs_with_odd_configurations_do_not_hinder_the_view_of_jobs(warehouse: Warehouse) -> None:
    odd = [{"query": {"query": ["SELECT 1"], "priority": 5}}, {"query": {"query": "SELECT 1", "destinationTable": "t"}}]
    for configuration in odd:
        with contextlib.suppress(exceptions.GoogleAPICallError):
            path = f"/projects/{warehouse.client.project}/jobs"
            warehouse.client._connection.api_request(method="POST", path=path, data={"configuration": configuration})
    assert warehouse.rows("SELECT COUNT(*) > 0 FROM `region-us`.INFORMATION_SCHEMA.JOBS") == [(True,)]


def test_columns_cannot_be_called_like_pseudo_columns(warehouse: Warehouse) -> None:
    with pytest.raises(exceptions.BadRequest, match="not allowed to start with"):
        warehouse.rows("CREATE TABLE t (_PartitionTime INT64)")
