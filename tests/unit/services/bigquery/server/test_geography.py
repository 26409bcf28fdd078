"""GEOGRAPHY through the server: columns, loads, parameters, changes, and what clients read."""

from __future__ import annotations

import json

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from tests.unit.services.bigquery.server.conftest import Warehouse
from tests.unit.services.bigquery.server.test_load_jobs import load, parquet

PLACES = [bigquery.SchemaField("id", "INT64"), bigquery.SchemaField("place", "GEOGRAPHY")]
BINARY = bytes.fromhex("010100000000000000000000400000000000001040")


def test_a_column_takes_what_functions_make(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t (id INT64, place GEOGRAPHY, more ARRAY<GEOGRAPHY>)")
    warehouse.rows("INSERT INTO t VALUES (1, ST_GEOGPOINT(-122.35, 47.62), [ST_GEOGPOINT(1, 2)]), (2, NULL, [])")
    warehouse.rows("UPDATE t SET place = ST_GEOGFROMTEXT('LINESTRING(0 0, 1 1)') WHERE id = 2")
    assert warehouse.rows("SELECT id, place, more FROM t ORDER BY id") == [
        (1, "POINT(-122.35 47.62)", ["POINT(1 2)"]),
        (2, "LINESTRING(0 0, 1 1)", []),
    ]
    table = warehouse.client.get_table(f"{warehouse.dataset}.t")
    assert [field.field_type for field in table.schema] == ["INTEGER", "GEOGRAPHY", "GEOGRAPHY"]
    assert [list(row.values())[1] for row in warehouse.client.list_rows(table)][0] == "POINT(-122.35 47.62)"
    with pytest.raises(BadRequest, match="INT64"):
        warehouse.rows("INSERT INTO t (place) VALUES (5)")


def test_loads_take_text_binary_and_geojson(warehouse: Warehouse) -> None:
    geojson = json.dumps({"type": "Point", "coordinates": [5, 6]})
    lines = [{"id": 1, "place": "POINT(1 2)"}, {"id": 2, "place": geojson}, {"id": 3, "place": BINARY.hex()}]
    load(warehouse, "x.json", "\n".join(map(json.dumps, lines)).encode(), schema=PLACES, source_format="NEWLINE_DELIMITED_JSON")  # fmt: skip  # noqa: E501
    load(warehouse, "x.csv", b'4,"LINESTRING(1 1, 2 2)"\n5,\n', schema=PLACES, source_format="CSV")
    load(warehouse, "x.parquet", parquet(id=[6], place=[BINARY]), schema=PLACES, source_format="PARQUET")
    found = warehouse.rows("SELECT place FROM t ORDER BY id")
    assert [place for (place,) in found] == [
        "POINT(1 2)", "POINT(5 6)", "POINT(2 4)", "LINESTRING(1 1, 2 2)", None, "POINT(2 4)"]  # fmt: skip
    for content in (b"7,POINT(1)\n", b"7,POINT(1 91)\n", b"7,x\n"):
        with pytest.raises(BadRequest, match="as GEOGRAPHY for field place"):
            load(warehouse, "bad.csv", content, schema=PLACES, source_format="CSV")
    with pytest.raises(BadRequest, match="WKB"):
        load(warehouse, "bad.parquet", parquet(id=[7], place=[b"x"]), schema=PLACES, source_format="PARQUET")
    assert warehouse.client.insert_rows_json(f"{warehouse.dataset}.t", [{"id": 8, "place": "POINT(8 8)"}]) == []
    assert warehouse.rows("SELECT ST_X(place) FROM t WHERE id = 8") == [(8.0,)]


def test_a_parameter_is_text(warehouse: Warehouse) -> None:
    config = bigquery.QueryJobConfig(
        query_parameters=[bigquery.ScalarQueryParameter("g", "GEOGRAPHY", "POLYGON((0 0, 10 0, 10 10, 0 0))")]
    )
    found = warehouse.client.query_and_wait("SELECT ST_CONTAINS(@g, ST_GEOGPOINT(9, 1)), @g", job_config=config)
    assert [tuple(row.values()) for row in found] == [(True, "POLYGON((0 0, 10 0, 10 10, 0 0))")]


def test_the_arrow_column_is_text_with_googles_mark(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t AS SELECT 1 AS id, ST_GEOGPOINT(1, 2) AS place")
    rows = warehouse.client.list_rows(f"{warehouse.dataset}.t").to_arrow(create_bqstorage_client=False)
    assert rows.column("place").to_pylist() == ["POINT(1 2)"]
    assert warehouse.client.get_table(f"{warehouse.dataset}.t").num_bytes == 8 + 40


def test_a_text_parameter_is_a_geography_where_a_function_wants_one(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE lakes AS SELECT 'a' AS name, ST_GEOGFROMTEXT('POLYGON((0 0, 9 0, 9 9, 0 0))') AS area")
    job = bigquery.QueryJobConfig(default_dataset=f"{warehouse.client.project}.{warehouse.dataset}")

    def found(sql: str, *parameters: bigquery.ScalarQueryParameter) -> list[tuple[object, ...]]:
        job.query_parameters = list(parameters)
        return [tuple(row.values()) for row in warehouse.client.query_and_wait(sql, job_config=job, retry=None)]

    text = bigquery.ScalarQueryParameter("Point", "STRING", "POINT(8 1)")
    name = bigquery.ScalarQueryParameter("name", "STRING", "a")
    assert found("SELECT name FROM lakes WHERE ST_CONTAINS(area, @point) AND name = @name", text, name) == [("a",)]
    number = bigquery.ScalarQueryParameter(None, "STRING", "POINT(1 8)")
    given = bigquery.ScalarQueryParameter(None, "STRING", "POINT(0 0)")
    sql = "SELECT ST_CONTAINS(area, ?), ST_X(ST_GEOGFROMTEXT(?)) FROM lakes"
    assert found(sql, number, given) == [(False, 0.0)]
    assert found("CREATE TABLE kept AS SELECT ST_DISTANCE(area, @point) AS far FROM lakes", text) == []
    assert warehouse.rows("SELECT far FROM kept") == [(0.0,)]
    with pytest.raises(BadRequest, match="query parameter point"):
        found("SELECT ST_CONTAINS(area, @point) FROM lakes", bigquery.ScalarQueryParameter("point", "STRING", "x"))
    with pytest.raises(BadRequest, match="Unable to coerce type INT64"):
        found("SELECT ST_CONTAINS(area, @one) FROM lakes", bigquery.ScalarQueryParameter("one", "INT64", 1))
