"""NULL and arrays: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#array_nulls."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from tests.unit.services.bigquery.server.conftest import Warehouse

Field = bigquery.SchemaField
REFUSED = "Array cannot have a null element; error in writing field"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT [1, NULL] AS xs",
        "SELECT STRUCT([1, NULL] AS inner_xs) AS xs",
        "SELECT ARRAY_AGG(x) AS xs FROM UNNEST([1, NULL]) AS x",
        "SELECT [STRUCT(['a', NULL] AS y)] AS xs",
        "CREATE TABLE made AS SELECT [1, NULL] AS xs",
        "INSERT t (xs) VALUES ([1, NULL])",
        "UPDATE t SET xs = [NULL] WHERE true",
        "MERGE t USING (SELECT 1) ON false WHEN NOT MATCHED THEN INSERT (xs) VALUES ([NULL])",
    ],
)
def test_an_array_with_null_is_neither_a_result_nor_stored(warehouse: Warehouse, sql: str) -> None:
    warehouse.rows(f"CREATE TABLE {warehouse.dataset}.t (xs ARRAY<INT64>)")
    warehouse.rows("INSERT t VALUES ([1])")
    with pytest.raises(BadRequest, match=f"{REFUSED} xs"):
        warehouse.rows(sql)
    assert warehouse.rows("SELECT xs FROM t") == [([1],)]


def test_a_query_may_use_an_array_with_null(warehouse: Warehouse) -> None:
    assert warehouse.rows(
        "SELECT ARRAY_LENGTH([1, NULL]), ARRAY(SELECT x FROM UNNEST([1, NULL]) AS x WHERE x = 1)"
    ) == [(2, [1])]


def test_a_null_array_is_stored_as_an_empty_one(warehouse: Warehouse) -> None:
    warehouse.rows(f"CREATE TABLE {warehouse.dataset}.t AS SELECT 1 AS id, CAST(NULL AS ARRAY<INT64>) AS xs")
    warehouse.rows("INSERT t VALUES (2, NULL), (3, [7])")
    warehouse.rows("UPDATE t SET xs = NULL WHERE id = 3")
    assert warehouse.rows("SELECT id, xs IS NULL, ARRAY_LENGTH(xs) FROM t ORDER BY id") == [
        (1, False, 0),
        (2, False, 0),
        (3, False, 0),
    ]


def test_a_null_array_in_a_struct_is_stored_as_an_empty_one(warehouse: Warehouse) -> None:
    warehouse.rows(f"CREATE TABLE {warehouse.dataset}.t (id INT64, r STRUCT<a ARRAY<INT64>, b STRING>, "
                   "s ARRAY<STRUCT<c ARRAY<STRING>>>)")  # fmt: skip
    warehouse.rows("INSERT t VALUES (1, (NULL, 'x'), [STRUCT<c ARRAY<STRING>>(NULL)]), (2, NULL, NULL)")
    warehouse.rows("INSERT t VALUES (3, ([7], NULL), [STRUCT(['y'])])")
    warehouse.rows("UPDATE t SET r.a = NULL WHERE id = 3")
    columns = "id, r IS NULL, r.a IS NULL, r.b, ARRAY_LENGTH(s[SAFE_OFFSET(0)].c)"
    assert warehouse.rows(f"SELECT {columns} FROM t ORDER BY id") == [
        (1, False, False, "x", 0),
        (2, True, True, None, None),
        (3, False, False, None, 1),
    ]


def load(warehouse: Warehouse, content: bytes, kind: str, *schema: Any) -> None:
    config = bigquery.LoadJobConfig(source_format=kind, schema=schema)
    table = f"{warehouse.client.project}.{warehouse.dataset}.t"
    warehouse.client.load_table_from_file(io.BytesIO(content), table, job_config=config).result(retry=None)


def test_files_with_null_in_an_array_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(BadRequest, match="Only optional fields can be set to NULL"):
        load(warehouse, b'{"xs": [1, null]}\n', "NEWLINE_DELIMITED_JSON", Field("xs", "INT64", "REPEATED"))
    sink = io.BytesIO()
    pq.write_table(pa.table({"xs": [[1, None]]}), sink)
    with pytest.raises(BadRequest, match=REFUSED):
        load(warehouse, sink.getvalue(), "PARQUET")
    warehouse.rows(f"CREATE TABLE {warehouse.dataset}.t (xs ARRAY<INT64>)")
    errors = warehouse.client.insert_rows_json(f"{warehouse.dataset}.t", [{"xs": [1, None]}])
    assert "Only optional fields" in errors[0]["errors"][0]["message"]


def test_a_column_of_arrays_is_added_to_a_table_with_rows(warehouse: Warehouse) -> None:
    warehouse.rows(f"CREATE TABLE {warehouse.dataset}.t AS SELECT 1 AS id")
    warehouse.rows("ALTER TABLE t ADD COLUMN xs ARRAY<STRING>, ADD COLUMN y INT64")
    warehouse.rows("INSERT t (id) VALUES (2)")
    table = warehouse.client.get_table(f"{warehouse.dataset}.t")
    table.schema = [*table.schema, Field("zs", "RECORD", "REPEATED", fields=[Field("a", "INT64")])]
    warehouse.client.update_table(table, ["schema"])
    assert warehouse.rows("SELECT * FROM t ORDER BY id") == [(1, [], None, []), (2, [], None, [])]
