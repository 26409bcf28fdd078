"""What the system tests of Google's Python client are about (`make peers`)."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa
import pytest
import requests
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.cloud import bigquery

from tests.unit.services.bigquery.server.conftest import Warehouse
from tests.unit.services.bigquery.server.test_load_jobs import load, parquet

Field = bigquery.SchemaField


def table(warehouse: Warehouse, name: str, *fields: Any) -> Any:
    return warehouse.client.create_table(bigquery.Table(f"test-project.{warehouse.dataset}.{name}", schema=fields))


def test_fields_of_a_struct_without_names_are_numbered(warehouse: Warehouse) -> None:
    assert warehouse.rows("SELECT (1, 2, 3), STRUCT(4)") == [
        ({"_field_1": 1, "_field_2": 2, "_field_3": 3}, {"_field_1": 4})
    ]


def test_a_row_that_lacks_a_column_has_its_default_value(warehouse: Warehouse) -> None:
    made = table(
        warehouse,
        "t",
        Field("a", "STRING", default_value_expression="'FOO'"),
        Field("b", "INTEGER", default_value_expression="7"),
    )
    assert warehouse.client.insert_rows_json(made, [{"a": "x"}, {"b": 1}, {"a": None, "b": 2}]) == []
    assert warehouse.rows("SELECT a, b FROM t ORDER BY b") == [("FOO", 1), (None, 2), ("x", 7)]


def test_names_of_tables_may_differ_by_case_in_a_dataset_that_wants_it(warehouse: Warehouse) -> None:
    dataset = bigquery.Dataset(f"test-project.{warehouse.dataset}_Ci")
    dataset.is_case_insensitive = True
    warehouse.client.create_dataset(dataset)
    name = dataset.dataset_id
    try:
        warehouse.rows(f"CREATE TABLE {name.lower()}.Trips AS SELECT 1 AS a")
        warehouse.rows(f"INSERT INTO {name}.TRIPS VALUES (2)")
        assert warehouse.rows(f"SELECT sum(a) FROM {name.upper()}.trips") == [(3,)]
        assert warehouse.client.get_table(f"{name}.tRips").num_rows == 2
        with pytest.raises(Conflict, match="Already Exists: Table .*Trips"):
            warehouse.rows(f"CREATE TABLE {name}.trips (x INT64)")
        warehouse.rows(f"DROP TABLE {name}.trips")
        assert list(warehouse.client.list_tables(name)) == []
    finally:
        warehouse.client.delete_dataset(name, delete_contents=True)
    with pytest.raises(NotFound):
        warehouse.rows(f"SELECT * FROM {warehouse.dataset}.TRIPS")


def test_a_number_is_no_timestamp_parameter(warehouse: Warehouse) -> None:
    parameter = bigquery.ScalarQueryParameter("t", "TIMESTAMP", 1.4810976e9)
    job = warehouse.client.query(
        "SELECT @t", job_config=bigquery.QueryJobConfig(query_parameters=[parameter]), retry=None, job_retry=None
    )
    with pytest.raises(BadRequest, match="Invalid value for query parameter t"):
        job.result(retry=None, job_retry=None)
    [given] = warehouse.get(f"/jobs/{job.job_id}")["configuration"]["query"]["queryParameters"]
    assert given["parameterValue"] == {"value": "1481097600.0"}


def test_a_load_gives_a_table_without_columns_its_columns(warehouse: Warehouse) -> None:
    table(warehouse, "t")
    disposition = {"create_disposition": "CREATE_NEVER", "write_disposition": "WRITE_EMPTY"}
    load(warehouse, "x.parquet", parquet(a=[1], b=["x"]), source_format="PARQUET", **disposition)
    assert warehouse.rows("SELECT * FROM t") == [(1, "x")]


DIGITS = Decimal("99999999999999999999999999.999999999999")


@pytest.mark.parametrize(
    ("targets", "kind"),
    [(["NUMERIC", "BIGNUMERIC", "STRING"], "BIGNUMERIC"), (["STRING", "NUMERIC"], "STRING"), (["NUMERIC"], "")],
)
@pytest.mark.parametrize("form", ["PARQUET", "AVRO"])
def test_decimals_of_files_become_a_type_that_the_job_names(
    warehouse: Warehouse, targets: list[str], kind: str, form: str
) -> None:
    content = parquet(n=pa.array([DIGITS], pa.decimal128(38, 12))) if form == "PARQUET" else avro()
    options: dict[str, Any] = {"source_format": form, "decimal_target_types": targets}
    options["write_disposition"] = "WRITE_TRUNCATE"
    table(warehouse, "t", Field("n", "BIGNUMERIC"))
    if not kind:
        with pytest.raises(BadRequest, match="out of valid NUMERIC range"):
            load(warehouse, "x", content, **options)
        return
    load(warehouse, "x", content, **options)
    assert [field.field_type for field in warehouse.client.get_table(f"{warehouse.dataset}.t").schema] == [kind]
    assert warehouse.rows("SELECT n FROM t") == [(DIGITS if kind == "BIGNUMERIC" else str(DIGITS),)]


def avro() -> bytes:
    sink = io.BytesIO()
    number = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 12}
    schema = {"type": "record", "name": "r", "fields": [{"name": "n", "type": number}]}
    fastavro.writer(sink, fastavro.parse_schema(schema), [{"n": DIGITS}])
    return sink.getvalue()


def test_a_job_in_a_named_location_sees_the_datasets_there(warehouse: Warehouse) -> None:
    dataset = bigquery.Dataset(f"test-project.{warehouse.dataset}_eu")
    dataset.location = "EU"
    warehouse.client.create_dataset(dataset)
    name, run = dataset.dataset_id, warehouse.client.query_and_wait
    try:
        warehouse.rows(f"CREATE TABLE {name}.t AS SELECT 1 AS a")
        job = warehouse.client.query(f"SELECT a FROM {name}.t", location="EU")
        assert [row.a for row in job.result()] == [1]
        assert warehouse.client.get_job(job.job_id, location="eu").location == "EU"
        for ask in (warehouse.client.get_job, warehouse.client.cancel_job):
            with pytest.raises(NotFound, match="Not found: Job"):
                ask(job.job_id, location="US", retry=None)
        for sql in (f"SELECT a FROM {name}.t", f"INSERT INTO {name}.t VALUES (2)"):
            with pytest.raises(NotFound, match=f"Dataset test-project:{name} was not found in location US"):
                run(sql, location="US", retry=None, job_retry=None)
        with pytest.raises(NotFound, match="was not found in location US"):
            warehouse.client.copy_table(f"{name}.t", f"{warehouse.dataset}.t", location="US").result(retry=None)
        assert [row.a for row in run(f"SELECT a FROM {name}.t")] == [1]
    finally:
        warehouse.client.delete_dataset(name, delete_contents=True)


def test_statements_of_a_transaction_have_its_id(warehouse: Warehouse) -> None:
    table(warehouse, "t", Field("a", "INTEGER"))
    text = "BEGIN TRANSACTION; INSERT INTO {0}.t VALUES (1); COMMIT TRANSACTION; INSERT INTO {0}.t VALUES (2);"
    job = warehouse.client.query(text.format(warehouse.dataset))
    job.result()
    children = list(warehouse.client.list_jobs(parent_job=job))[::-1]
    assert [child.statement_type for child in children] == [
        *("BEGIN_TRANSACTION", "INSERT", "COMMIT_TRANSACTION", "INSERT")
    ]
    found = [child.transaction_info and child.transaction_info.transaction_id for child in children]
    assert found[0] and found == [found[0], found[0], found[0], None]


def test_a_field_without_policy_tags_has_none(warehouse: Warehouse) -> None:
    path = f"/datasets/{warehouse.dataset}/tables"
    fields = [{"name": "a", "type": "STRING", "policyTags": {"names": []}}]
    body = {"tableReference": {"tableId": "t"}, "schema": {"fields": fields}}
    answer = requests.post(f"{warehouse.server.address}/bigquery/v2/projects/test-project{path}", json=body)
    assert answer.json()["schema"]["fields"] == [{"name": "a", "type": "STRING", "mode": "NULLABLE"}]


def test_a_client_may_do_what_it_asks_about(warehouse: Warehouse) -> None:
    made = table(warehouse, "t")
    wanted = ["bigquery.tables.get", "bigquery.tables.update"]
    assert warehouse.client.test_iam_permissions(made, [wanted])["permissions"] == wanted


def test_columns_of_an_external_table_are_detected_again_on_request(warehouse: Warehouse) -> None:
    uri = warehouse.server.put(f"{warehouse.dataset}/x.parquet", parquet(a=[1], b=["x"]))
    external = bigquery.ExternalConfig("PARQUET")
    external.source_uris = [uri]
    made = bigquery.Table(f"test-project.{warehouse.dataset}.e", schema=[Field("a", "INTEGER")])
    made.external_data_configuration = external
    assert [field.name for field in warehouse.client.create_table(made).schema] == ["a"]
    again = bigquery.Table(f"test-project.{warehouse.dataset}.e")
    external.autodetect = True
    again.external_data_configuration = external
    changed = warehouse.client.update_table(again, ["external_data_configuration"], autodetect_schema=True)
    assert [field.name for field in changed.schema] == ["a", "b"]


def test_a_path_in_backticks_qualifies_a_column(warehouse: Warehouse) -> None:
    full = f"{warehouse.dataset}.t"
    warehouse.rows("CREATE TABLE t AS SELECT 1 AS a, [5, 6] AS l")
    assert warehouse.rows(f"SELECT `{full}`.`a` AS b FROM `{full}` WHERE `{full}`.a = 1") == [(1,)]
    assert warehouse.rows(f"SELECT `{full}`.a, x FROM `{full}`, UNNEST(`{full}`.l) AS x ORDER BY x") == [(1, 5), (1, 6)]
    warehouse.rows(f"UPDATE `{full}` SET a = `{full}`.a + 1 WHERE `{full}`.`a` = 1")
    assert warehouse.rows(f"SELECT `test-project.{full}`.a FROM `test-project.{full}`") == [(2,)]
    assert warehouse.rows(f"SELECT `{full}`.a FROM `{full}` JOIN t AS u USING (a)") == [(2,)]


def test_what_alters_a_column_is_in_its_schema_and_holds(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t (a INT64 NOT NULL, n NUMERIC(11, 2) NOT NULL, s STRING(3) NOT NULL)")
    warehouse.rows("INSERT INTO t VALUES (1, 1.5, 'x')")
    warehouse.rows("ALTER TABLE t ALTER COLUMN n DROP NOT NULL")
    warehouse.rows("ALTER TABLE t ALTER COLUMN s SET OPTIONS (description = 'letters')")
    warehouse.rows("ALTER TABLE t ALTER COLUMN s DROP NOT NULL, ALTER COLUMN s SET DEFAULT 'd'")
    warehouse.rows("INSERT INTO t (a) VALUES (2)")
    found = warehouse.get(f"/datasets/{warehouse.dataset}/tables/t")["schema"]["fields"]
    assert [field["mode"] for field in found] == ["REQUIRED", "NULLABLE", "NULLABLE"]
    assert (found[2]["description"], found[2]["defaultValueExpression"]) == ("letters", "'d'")
    assert warehouse.rows("SELECT * FROM t ORDER BY a") == [(1, Decimal("1.5"), "x"), (2, None, "d")]


def test_a_connection_property_names_the_project(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t AS SELECT 1 AS a")
    properties = [bigquery.ConnectionProperty("dataset_project_id", "test-project")]
    config = bigquery.QueryJobConfig(connection_properties=properties)
    with warehouse.server.client() as other:
        job = other.query(f"SELECT a FROM {warehouse.dataset}.t", project="other-project", job_config=config)
        assert [row.a for row in job.result()] == [1]


def test_names_of_parameters_have_no_case(warehouse: Warehouse) -> None:
    parameter = bigquery.ScalarQueryParameter("Percent", "STRING", "x")
    config = bigquery.QueryJobConfig(query_parameters=[parameter])
    warehouse.rows("CREATE TABLE t (s STRING)")
    warehouse.client.query_and_wait(f"INSERT INTO {warehouse.dataset}.t VALUES (@Percent)", job_config=config)
    for sql in ("SELECT @Percent, @percent", "SELECT FORMAT('%s', @PERCENT), @Percent"):
        assert [tuple(row) for row in warehouse.client.query_and_wait(sql, job_config=config)] == [("x", "x")]
    script = "DECLARE v STRING DEFAULT @Percent; SELECT v, @Percent;"
    assert [tuple(row) for row in warehouse.client.query(script, job_config=config).result()] == [("x", "x")]
    assert warehouse.rows("SELECT s FROM t") == [("x",)]
