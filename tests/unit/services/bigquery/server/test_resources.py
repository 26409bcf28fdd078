"""Datasets, tables, rows and routines by Google's Python client."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import requests
from google.api_core.exceptions import BadRequest, Conflict, MethodNotImplemented, NotFound, PreconditionFailed
from google.cloud import bigquery

from tests.unit.services.bigquery.server.conftest import Warehouse

FIELDS = [
    bigquery.SchemaField("a", "INTEGER", mode="REQUIRED"),
    bigquery.SchemaField("b", "STRING", max_length=3),
    bigquery.SchemaField("r", "RECORD", mode="REPEATED", fields=[bigquery.SchemaField("x", "NUMERIC")]),
]


def table_of(warehouse: Warehouse, name: str = "t", fields: Any = FIELDS) -> bigquery.Table:
    return bigquery.Table(f"{warehouse.client.project}.{warehouse.dataset}.{name}", schema=fields)


def test_a_dataset_keeps_what_a_client_sets(warehouse: Warehouse) -> None:
    dataset = warehouse.client.get_dataset(warehouse.dataset)
    dataset.description, dataset.labels = "trips", {"team": "data"}
    changed = warehouse.client.update_dataset(dataset, ["description", "labels"])
    assert (changed.description, changed.labels, changed.location) == ("trips", {"team": "data"}, "US")
    assert warehouse.dataset in {one.dataset_id for one in warehouse.client.list_datasets(filter="labels.team:data")}
    with pytest.raises(Conflict, match="Already Exists: Dataset"):
        warehouse.client.create_dataset(warehouse.dataset, retry=None)
    with pytest.raises(NotFound, match="Not found: Dataset test-project:nothing"):
        warehouse.client.get_dataset("nothing", retry=None)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("CREATE SCHEMA `../../../tmp/stolen`.d", "Invalid project ID"),
        ("CREATE SCHEMA `x' AS a; --`.d", "Invalid project ID"),
        ("CREATE SCHEMA `a-b`", 'Invalid dataset ID "a-b"'),
        ("CREATE SCHEMA `x;y`", 'Invalid dataset ID "x;y"'),
    ],
)
def test_a_name_that_no_project_or_dataset_can_have_is_refused(warehouse: Warehouse, sql: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        warehouse.client.query(sql, retry=None, job_retry=None).result(retry=None)
    project, _, name = sql.removeprefix("CREATE SCHEMA ").replace("`", "").rpartition(".")
    with pytest.raises(BadRequest, match="Invalid"):
        warehouse.client.create_dataset(f"{project or warehouse.client.project}.{name}", retry=None)


def test_an_option_may_be_an_expression(warehouse: Warehouse) -> None:
    soon = "TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 12 HOUR)"
    for sql in (
        f"CREATE TABLE {warehouse.dataset}.t OPTIONS (expiration_timestamp = {soon}, labels = [('a', LOWER('B'))]) "
        "AS SELECT 1 AS x",
        f"ALTER TABLE {warehouse.dataset}.t SET OPTIONS (description = CONCAT('trips', ' of 2021'))",
    ):
        warehouse.client.query(sql, retry=None, job_retry=None).result(retry=None)
    table = warehouse.client.get_table(f"{warehouse.dataset}.t")
    assert table.expires is not None and 11 < (table.expires - table.created).total_seconds() / 3600 < 13
    assert (table.labels, table.description) == ({"a": "b"}, "trips of 2021")
    with pytest.raises(BadRequest, match="division by zero"):
        sql = f"CREATE TABLE {warehouse.dataset}.u (x INT64) OPTIONS (description = CAST(1 / 0 AS STRING))"
        warehouse.client.query(sql, retry=None, job_retry=None).result(retry=None)


def test_a_change_of_a_resource_that_has_changed_since_is_refused(warehouse: Warehouse) -> None:
    dataset = warehouse.client.get_dataset(warehouse.dataset)
    other = warehouse.client.get_dataset(warehouse.dataset)
    other.description = "first"
    warehouse.client.update_dataset(other, ["description"])
    dataset.description = "second"
    with pytest.raises(PreconditionFailed):
        warehouse.client.update_dataset(dataset, ["description"], retry=None)


def test_a_dataset_with_tables_is_only_deleted_with_its_contents(warehouse: Warehouse) -> None:
    warehouse.client.create_table(table_of(warehouse))
    with pytest.raises(BadRequest, match="still in use"):
        warehouse.client.delete_dataset(warehouse.dataset, retry=None)


def test_a_table_has_the_schema_that_it_was_given(warehouse: Warehouse) -> None:
    made = warehouse.client.create_table(table_of(warehouse))
    assert made.schema == FIELDS
    assert warehouse.client.get_table(made).schema == FIELDS
    with pytest.raises(Conflict, match=r"Already Exists: Table test-project:\w+\.t"):
        warehouse.client.create_table(table_of(warehouse), retry=None)
    assert [one.table_id for one in warehouse.client.list_tables(warehouse.dataset)] == ["t"]


def test_a_schema_may_gain_columns_and_lose_nothing(warehouse: Warehouse) -> None:
    table = warehouse.client.create_table(table_of(warehouse))
    table.schema = [*FIELDS, bigquery.SchemaField("c", "DATE")]
    assert [field.name for field in warehouse.client.update_table(table, ["schema"]).schema] == ["a", "b", "r", "c"]
    table = warehouse.client.get_table(table)
    table.schema = FIELDS
    with pytest.raises(BadRequest, match="Field c is missing in new schema"):
        warehouse.client.update_table(table, ["schema"], retry=None)


def test_inserted_rows_are_there_at_once(warehouse: Warehouse) -> None:
    table = warehouse.client.create_table(table_of(warehouse))
    rows = [{"a": 1, "b": "x", "r": [{"x": "1.5"}]}, {"a": "2"}]
    assert warehouse.client.insert_rows_json(table, rows) == []
    assert warehouse.rows("SELECT * FROM t ORDER BY a") == [(1, "x", [{"x": Decimal("1.5")}]), (2, None, [])]
    assert [tuple(row) for row in warehouse.client.list_rows(table, max_results=1)] == [
        (1, "x", [{"x": Decimal("1.5")}])
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"a": 1, "wrong": 2}, "no such field: wrong."),
        ({"b": "x"}, "Required column value is missing"),
        ({"a": "x"}, "Could not parse 'x' as INT64"),
        ({"a": 1, "b": "four"}, "longer than"),
    ],
)
def test_of_rows_with_one_that_is_wrong_none_is_inserted(
    warehouse: Warehouse, row: dict[str, Any], message: str
) -> None:
    table = warehouse.client.create_table(table_of(warehouse))
    errors = warehouse.client.insert_rows_json(table, [{"a": 1}, row])
    by_row = {error["index"]: error["errors"][0] for error in errors}
    assert message in by_row[1]["message"] and by_row[0]["reason"] == "stopped"
    assert warehouse.rows("SELECT count(*) FROM t") == [(0,)]
    assert len(warehouse.client.insert_rows_json(table, [{"a": 1}, row], skip_invalid_rows=True)) == 1
    assert warehouse.rows("SELECT count(*) FROM t") == [(1,)]


def test_a_view_has_the_columns_of_its_query(warehouse: Warehouse) -> None:
    view = bigquery.Table(f"{warehouse.client.project}.{warehouse.dataset}.v")
    view.view_query = "SELECT 1 AS one, 'a' AS letter"
    made = warehouse.client.create_table(view)
    assert [(field.name, field.field_type) for field in made.schema] == [("one", "INTEGER"), ("letter", "STRING")]
    assert warehouse.rows("SELECT letter FROM v") == [("a",)]


def test_a_routine_is_called_by_its_name(warehouse: Warehouse) -> None:
    number = {"typeKind": "INT64"}
    body = {
        "routineReference": {"datasetId": warehouse.dataset, "routineId": "triple"},
        "routineType": "SCALAR_FUNCTION",
        "language": "SQL",
        "definitionBody": "x * 3",
        "arguments": [{"name": "x", "dataType": number}],
    }
    address = f"{warehouse.server.address}/bigquery/v2/projects/test-project/datasets/{warehouse.dataset}/routines"
    assert requests.post(address, json=body).status_code == 200
    assert warehouse.rows(f"SELECT {warehouse.dataset}.triple(4)") == [(12,)]
    assert [one.routine_id for one in warehouse.client.list_routines(warehouse.dataset)] == ["triple"]


def test_models_are_refused_by_name(warehouse: Warehouse) -> None:
    assert list(warehouse.client.list_models(warehouse.dataset)) == []
    with pytest.raises(MethodNotImplemented, match="BigQuery ML"):
        warehouse.client.get_model(f"{warehouse.dataset}.m", retry=None)


def test_an_unknown_path_is_an_error_in_google_s_form(warehouse: Warehouse) -> None:
    answer = requests.get(f"{warehouse.server.address}/bigquery/v2/nothing")
    assert answer.status_code == 404
    assert answer.json()["error"]["errors"][0] == {"message": "Not Found", "domain": "global", "reason": "notFound"}


def test_the_platform_counts_the_rows_of_all_tables(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t AS SELECT a FROM UNNEST([1, 2, 3]) AS a")
    found = requests.get(f"{warehouse.server.address}/counts").json()
    assert found["rows"][f"test-project.{warehouse.dataset}.t"] == 3 and found["bytes"] > 0


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("queries", {"query": "SELECT 1", "defaultDataset": "x"}, "defaultDataset"),
        ("queries", {"query": "SELECT 1", "queryParameters": [1]}, "queryParameters[0]"),
        ("queries", {"query": "SELECT 1", "maxResults": "many"}, "maxResults"),
        ("datasets", {"datasetReference": 5}, "datasetReference"),
        ("jobs", {"configuration": {"load": {"sourceUris": "gs://b/x"}}}, "configuration.load.sourceUris"),
    ],
)
def test_a_body_of_another_shape_is_refused(warehouse: Warehouse, path: str, body: dict[str, Any], place: str) -> None:
    answer = requests.post(f"{warehouse.server.address}/bigquery/v2/projects/p/{path}", json=body)
    assert answer.status_code == 400 and f"Invalid value at '{place}'" in answer.json()["error"]["message"]
