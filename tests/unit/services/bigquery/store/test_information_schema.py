"""INFORMATION_SCHEMA: what is there, as queries see it."""

from __future__ import annotations

import pytest

from services.bigquery.errors import BigQueryError, NotBuilt
from services.bigquery.records import Routine
from services.bigquery.views.information_schema import VIEWS
from tests.unit.services.bigquery.store.conftest import Client, column


@pytest.fixture
def filled(client: Client) -> Client:
    inner = [column("a", "INTEGER"), column("b", "STRING", maxLength="5")]
    client.table(
        "t",
        column("x", "INTEGER", mode="REQUIRED"),
        column("n", "NUMERIC", precision="10", scale="2", description="it's"),
        column("r", "RECORD", mode="REPEATED", fields=inner),
        column("d", "DATE"),
        timePartitioning={"type": "MONTH", "field": "d"},
        clustering={"fields": ["x"]},
        description="mine",
        labels={"k": "v"},
        tableConstraints={"primaryKey": {"columns": ["x"]}},
    )
    client.view("v", "SELECT 1 AS one")
    client.sql("INSERT INTO d.t (x, d) VALUES (1, '2020-01-02'), (2, '2020-02-02'), (3, '2020-02-03'), (4, NULL)")
    with client.store.transaction() as tx:
        returned = {"returnType": {"typeKind": "INT64"}, "definitionBody": "1", "language": "SQL"}
        tx.put_routine(Routine(("p", "d", "f"), {"routineType": "SCALAR_FUNCTION", **returned}), is_new=True)
    return client


def test_tables_columns_and_all_the_rest(filled: Client) -> None:
    schema = "d.INFORMATION_SCHEMA"
    assert filled.sql(f"SELECT table_name, table_type FROM {schema}.TABLES ORDER BY 1") == [
        ["t", "BASE TABLE"], ["v", "VIEW"]]  # fmt: skip
    assert filled.sql(
        f"SELECT column_name, data_type, is_nullable, is_partitioning_column, clustering_ordinal_position"
        f" FROM {schema}.COLUMNS WHERE table_name = 't' ORDER BY ordinal_position"
    ) == [
        ["x", "INT64", "NO", "NO", "1"],
        ["n", "NUMERIC(10, 2)", "YES", "NO", None],
        ["r", "ARRAY<STRUCT<a INT64, b STRING(5)>>", "YES", "NO", None],
        ["d", "DATE", "YES", "YES", None],
    ]
    assert ["r.b", "STRING(5)"] in filled.sql(f"SELECT field_path, data_type FROM {schema}.COLUMN_FIELD_PATHS")
    assert filled.sql(f"SELECT option_name, option_value FROM {schema}.TABLE_OPTIONS") == [
        ["description", '"mine"'], ["labels", '[STRUCT("k", "v")]']]  # fmt: skip
    assert filled.sql(f"SELECT partition_id, total_rows FROM {schema}.PARTITIONS ORDER BY 1") == [
        ["202001", "1"], ["202002", "2"], ["__NULL__", "1"]]  # fmt: skip
    assert filled.sql("SELECT table_id, row_count, type FROM d.__TABLES__ ORDER BY 1") == [
        ["t", "4", "1"], ["v", "0", "2"]]  # fmt: skip
    assert filled.sql("SELECT schema_name FROM `region-us`.INFORMATION_SCHEMA.SCHEMATA") == [["d"]]
    assert filled.sql("SELECT schema_name FROM INFORMATION_SCHEMA.SCHEMATA") == [["d"]]
    ddl = filled.sql("SELECT ddl FROM `p.region-us.INFORMATION_SCHEMA.TABLES` WHERE table_name = 't'")[0][0]
    assert 'PARTITION BY DATE_TRUNC(d, MONTH)\nCLUSTER BY x\nOPTIONS(\n  description="mine"' in ddl


def test_every_view_can_be_read(filled: Client) -> None:
    for name in VIEWS:
        path = "d.__TABLES__" if name == "__TABLES__" else f"p.d.INFORMATION_SCHEMA.{name}"
        filled.sql(f"SELECT * FROM {path}")


def test_what_is_not_there_is_named(filled: Client) -> None:
    with pytest.raises(NotBuilt, match="view INFORMATION_SCHEMA.STREAMING_TIMELINE"):
        filled.sql("SELECT * FROM d.INFORMATION_SCHEMA.STREAMING_TIMELINE")
    with pytest.raises(BigQueryError, match="Not found: Dataset p:e"):
        filled.sql("SELECT * FROM e.INFORMATION_SCHEMA.TABLES")
