"""Partition decorators: `t$20240101` is that partition and nothing else, whatever is done with it."""

from __future__ import annotations

import datetime
import io
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from tests.unit.services.bigquery.server.conftest import Warehouse

ALL = "SELECT x FROM t ORDER BY x"


@pytest.fixture
def days(warehouse: Warehouse) -> Warehouse:
    """A table with a row in each of two days."""
    warehouse.rows(f"CREATE TABLE {warehouse.dataset}.t (day DATE, x INT64) PARTITION BY day")
    warehouse.rows("INSERT t VALUES ('2024-01-01', 1), ('2024-01-02', 2)")
    return warehouse


def load(warehouse: Warehouse, name: str, text: bytes, **options: Any) -> None:
    config = bigquery.LoadJobConfig(source_format="CSV", write_disposition="WRITE_TRUNCATE", **options)
    table = f"{warehouse.client.project}.{warehouse.dataset}.{name}"
    warehouse.client.load_table_from_file(io.BytesIO(text), table, job_config=config).result(retry=None)


def test_a_partition_that_is_deleted_leaves_the_others(days: Warehouse) -> None:
    days.client.delete_table(f"{days.dataset}.t$20240101")
    assert days.rows(ALL) == [(2,)]
    with pytest.raises(BadRequest, match="Invalid partition ID"):
        days.client.delete_table(f"{days.dataset}.t$2024")
    assert days.rows(ALL) == [(2,)]


def test_a_partition_is_listed_and_counted_alone(days: Warehouse) -> None:
    assert days.get(f"/datasets/{days.dataset}/tables/t$20240102")["numRows"] == "1"
    listed = days.get(f"/datasets/{days.dataset}/tables/t$20240102/data")
    assert (listed["totalRows"], listed["rows"][0]["f"][1]["v"]) == ("1", "2")


def test_partitions_are_listed(days: Warehouse) -> None:
    days.rows("INSERT t VALUES (NULL, 3)")
    assert sorted(days.client.list_partitions(f"{days.dataset}.t")) == ["20240101", "20240102", "__NULL__"]
    days.rows(f"CREATE TABLE {days.dataset}.plain AS SELECT 1 AS x")
    with pytest.raises(BadRequest, match="Cannot read partition information from a table that is not partitioned"):
        days.client.list_partitions(f"{days.dataset}.plain")


def test_rows_of_another_partition_are_refused(days: Warehouse) -> None:
    load(days, "t$20240101", b"2024-01-01,5\n")
    other = r"belong to different partitions rather than destination partition t\$20240101"
    with pytest.raises(BadRequest, match=other):
        load(days, "t$20240101", b"2024-01-01,6\n2024-01-02,6\n")
    with pytest.raises(BadRequest, match=other):
        load(days, "t$20240101", b",6\n")
    to = bigquery.QueryJobConfig(destination=f"{days.client.project}.{days.dataset}.t$20240101")
    to.write_disposition = "WRITE_TRUNCATE"
    with pytest.raises(BadRequest, match=other):
        days.client.query("SELECT DATE '2024-03-01' AS day, 7 AS x", job_config=to).result(retry=None)
    assert days.rows(ALL) == [(2,), (5,)]


def test_a_partition_of_a_range_is_replaced(warehouse: Warehouse) -> None:
    bounds = "RANGE_BUCKET(x, GENERATE_ARRAY(0, 100, 10))"
    warehouse.rows(f"CREATE TABLE {warehouse.dataset}.t (x INT64) PARTITION BY {bounds}")
    warehouse.rows("INSERT t VALUES (5), (15)")
    load(warehouse, "t$10", b"17\n")
    assert warehouse.rows(ALL) == [(5,), (17,)]


def test_a_partition_of_the_time_of_loading_is_filled_and_replaced(warehouse: Warehouse) -> None:
    warehouse.rows(f"CREATE TABLE {warehouse.dataset}.t (x INT64) PARTITION BY _PARTITIONDATE")
    load(warehouse, "t$20240101", b"1\n")
    load(warehouse, "t$20240102", b"2\n")
    load(warehouse, "t$20240101", b"3\n")
    assert warehouse.client.insert_rows_json(f"{warehouse.dataset}.t$20240105", [{"x": 4}]) == []
    days = [(datetime.date(2024, 1, day), x) for day, x in ((1, 3), (2, 2), (5, 4))]
    assert warehouse.rows("SELECT _PARTITIONDATE, x FROM t ORDER BY 1") == days


def test_a_streamed_row_has_the_default_values_that_it_leaves_out(warehouse: Warehouse) -> None:
    warehouse.rows(f"CREATE TABLE {warehouse.dataset}.t (x INT64, y STRING DEFAULT 'none')")
    assert (
        warehouse.client.insert_rows_json(f"{warehouse.dataset}.t", [{"x": 1}, {"x": 2, "y": None}, {"y": "z"}]) == []
    )
    assert warehouse.rows("SELECT x, y FROM t ORDER BY x") == [(None, "z"), (1, "none"), (2, None)]
