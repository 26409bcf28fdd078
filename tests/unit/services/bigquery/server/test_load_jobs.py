"""Loads, copies and external tables."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import fastavro
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest, NotFound
from google.cloud import bigquery

from services.bigquery.jobs.extract import ExtractRunner
from tests.unit.services.bigquery.server.conftest import Warehouse

Field = bigquery.SchemaField
UTC = datetime.UTC


def load(warehouse: Warehouse, name: str, content: bytes, table: str = "t", **config: Any) -> Any:
    uri = warehouse.server.put(f"{warehouse.dataset}/{name}", content)
    job = warehouse.client.load_table_from_uri(
        uri, f"{warehouse.dataset}.{table}", job_config=bigquery.LoadJobConfig(**config)
    )
    job.result(retry=None)
    return job


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_csv_is_detected(warehouse: Warehouse, pack: Any) -> None:
    text = b'id,day,amount,note\n1,2020-01-01,1.5,\n2,2020-01-02,2,"a,b"\n'
    job = load(warehouse, "x.csv", pack(text), source_format="CSV", autodetect=True)
    assert job.output_rows == 2
    types = [field.field_type for field in warehouse.client.get_table(f"{warehouse.dataset}.t").schema]
    assert types == ["INTEGER", "DATE", "FLOAT", "STRING"]
    assert warehouse.rows("SELECT * FROM t ORDER BY id") == [
        (1, datetime.date(2020, 1, 1), 1.5, None),
        (2, datetime.date(2020, 1, 2), 2.0, "a,b"),
    ]


def test_an_uploaded_file_is_unpacked(warehouse: Warehouse) -> None:
    config = bigquery.LoadJobConfig(source_format="CSV", schema=[Field("a", "INT64"), Field("b", "STRING")])
    file = io.BytesIO(gzip.compress(b"1,x\n2,y\n"))
    assert warehouse.client.load_table_from_file(file, f"{warehouse.dataset}.t", job_config=config).result().state
    assert warehouse.rows("SELECT * FROM t ORDER BY a") == [(1, "x"), (2, "y")]


def test_a_resumable_upload_arrives_in_pieces(warehouse: Warehouse) -> None:
    file = io.BytesIO(b"".join(b"%d\n" % number for number in range(200_000)))
    config = bigquery.LoadJobConfig(source_format="CSV", schema=[Field("a", "INT64")])
    load = warehouse.client.load_table_from_file(file, f"{warehouse.dataset}.t", job_config=config, size=None)
    assert load.result().output_rows == 200_000
    assert warehouse.rows("SELECT sum(a) FROM t") == [(199_999 * 100_000,)]


def test_values_of_json_have_their_columns_types(warehouse: Warehouse) -> None:
    schema = [
        Field("t", "TIMESTAMP"),
        Field("b", "BYTES"),
        Field("n", "BIGNUMERIC"),
        Field("l", "BYTES", mode="REPEATED"),
        Field("j", "JSON"),
    ]
    rows = [
        {"t": 1381404436, "b": "AP8=", "n": "0.00000000000000000000000000000000000001", "l": ["AP8="], "j": {"b": 1}},
        {"t": "1381404436.5", "b": None, "n": 2},
        {"t": "2013-10-10 11:27:16+02:00"},
    ]
    config = bigquery.LoadJobConfig(schema=schema)
    warehouse.client.load_table_from_json(rows, f"{warehouse.dataset}.t", job_config=config).result()
    moment = datetime.datetime(2013, 10, 10, 11, 27, 16, tzinfo=UTC)
    assert warehouse.rows("SELECT * FROM t ORDER BY t DESC") == [
        (moment.replace(microsecond=500_000), None, Decimal(2), [], None),
        (moment, b"\0\xff", Decimal("1E-38"), [b"\0\xff"], {"b": 1}),
        (moment.replace(hour=9), None, None, [], None),
    ]


def test_nested_json_is_detected(warehouse: Warehouse) -> None:
    rows = [{"a": 1, "r": {"x": [1.5], "d": "2020-01-01"}}, {"a": None, "new": True}]
    warehouse.client.load_table_from_json(rows, f"{warehouse.dataset}.t").result()
    found = warehouse.client.get_table(f"{warehouse.dataset}.t").schema
    assert [(field.name, field.field_type) for field in found] == [
        ("a", "INTEGER"),
        ("r", "RECORD"),
        ("new", "BOOLEAN"),
    ]
    assert warehouse.rows("SELECT r.x[0], r.d FROM t WHERE a = 1") == [(1.5, datetime.date(2020, 1, 1))]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_frame_comes_back_as_it_was(warehouse: Warehouse) -> None:
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None, 3], "Int64"),
            "f": [1.5, float("inf"), None],
            "s": ["ü", None, ""],
            "b": [b"\0\xff", None, b""],
            "t": pd.to_datetime(
                pd.Series(["2020-01-01T00:00:00.000001", None, "2021-01-01T00:00:00.000000"]), utc=True
            ),
            "n": [Decimal("1.5"), None, Decimal(2)],
            "l": [[1, 2], [], [3]],
        }
    )
    warehouse.client.load_table_from_dataframe(frame, f"{warehouse.dataset}.t").result()
    found = warehouse.rows("SELECT * FROM t ORDER BY f NULLS LAST")
    first = datetime.datetime(2020, 1, 1, 0, 0, 0, 1, UTC)
    assert found == [
        (1, 1.5, "ü", b"\0\xff", first, Decimal("1.5"), [1, 2]),
        (None, float("inf"), None, None, None, None, []),
        (3, None, "", b"", datetime.datetime(2021, 1, 1, tzinfo=UTC), Decimal(2), [3]),
    ]


def test_parquet_takes_the_schema_of_the_job(warehouse: Warehouse) -> None:
    content = parquet(a=pa.array([1, 2], pa.int32()), m=pa.array([0, 1], pa.timestamp("us")), d=pa.array([b"x", None]))
    schema = [Field("a", "INT64"), Field("m", "TIMESTAMP"), Field("d", "BYTES")]
    job = load(warehouse, "x.parquet", content, source_format="PARQUET", schema=schema)
    assert job.output_rows == 2
    assert [field.field_type for field in warehouse.client.get_table(job.destination).schema] == [
        "INTEGER",
        "TIMESTAMP",
        "BYTES",
    ]
    assert warehouse.rows("SELECT a, UNIX_MICROS(m), d FROM t ORDER BY a") == [(1, 0, b"x"), (2, 1, None)]


def test_avro_has_its_own_types(warehouse: Warehouse) -> None:
    day = {"type": "int", "logicalType": "date"}
    moment = {"type": "long", "logicalType": "timestamp-micros"}
    number = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
    names = {"d": ["null", day], "t": moment, "n": number, "l": {"type": "array", "items": "string"}}
    schema = {"type": "record", "name": "r", "fields": [{"name": name, "type": kind} for name, kind in names.items()]}
    row = {
        "d": datetime.date(2020, 1, 2),
        "t": datetime.datetime(2020, 1, 1, 0, 0, 0, 1, UTC),
        "n": Decimal("1.25"),
        "l": ["a"],
    }
    sink = io.BytesIO()
    fastavro.writer(sink, schema, [row, {**row, "d": None, "l": []}])
    load(warehouse, "x.avro", sink.getvalue(), source_format="AVRO")
    assert warehouse.rows("SELECT * FROM t ORDER BY d DESC") == [tuple(row.values()), (None, row["t"], row["n"], [])]
    with pytest.raises(BadRequest, match="Input file is not in Avro format"):
        load(warehouse, "y.avro", b"nothing", source_format="AVRO")


def test_decimals_of_parquet_are_exact(warehouse: Warehouse) -> None:
    number = Decimal("12345678901234567890123456789012345.12345678901234567890")
    options: dict[str, Any] = {"source_format": "PARQUET", "decimal_target_types": ["NUMERIC", "BIGNUMERIC"]}
    load(warehouse, "x.parquet", parquet(n=pa.array([number], pa.decimal256(60, 20))), **options)
    assert warehouse.rows("SELECT n FROM t") == [(number,)]


def test_several_objects_are_loaded_by_a_pattern(warehouse: Warehouse) -> None:
    for number in range(3):
        load(warehouse, f"part-{number}.parquet", parquet(a=[number]), "one", source_format="PARQUET")
    uri = f"gs://bucket/{warehouse.dataset}/part-*.parquet"
    config = bigquery.LoadJobConfig(source_format="PARQUET")
    warehouse.client.load_table_from_uri(uri, f"{warehouse.dataset}.t", job_config=config).result()
    assert warehouse.rows("SELECT a FROM t ORDER BY a") == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"x\n", "Could not parse 'x' as INT64 for field a"),
        (b"1,2\n", "Expected 1 column"),
        (b"9223372036854775808\n", "Out of range"),
    ],
)
def test_a_load_that_fails_changes_nothing(warehouse: Warehouse, content: bytes, sentence: str) -> None:
    schema = [Field("a", "INT64")]
    load(warehouse, "good.csv", b"1\n", schema=schema)
    with pytest.raises(BadRequest, match=sentence):
        load(warehouse, "bad.csv", content, schema=schema)
    assert warehouse.rows("SELECT a FROM t") == [(1,)]


def test_bad_rows_are_left_out_up_to_a_number(warehouse: Warehouse) -> None:
    schema = [Field("a", "INT64")]
    job = load(warehouse, "x.csv", b"1\nx\n3\n1,2\n", schema=schema, max_bad_records=2)
    assert job.output_rows == 2
    with pytest.raises(BadRequest, match="Could not parse 'y'"):
        load(warehouse, "x.csv", b"1\nx\ny\n3\n", schema=schema, max_bad_records=1)


def test_an_object_that_is_not_there_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(NotFound, match="Not found: URI gs://bucket/nothing.csv"):
        warehouse.client.load_table_from_uri("gs://bucket/nothing.csv", f"{warehouse.dataset}.t").result()
    for escape in ("gs://bucket/../../etc/passwd", "gs://../x"):
        with pytest.raises((NotFound, BadRequest)):
            warehouse.client.load_table_from_uri(escape, f"{warehouse.dataset}.t").result()


def test_a_new_table_gets_the_properties_of_the_job(warehouse: Warehouse) -> None:
    config: dict[str, Any] = {
        "destination_table_description": "trips",
        "time_partitioning": bigquery.TimePartitioning(field="d"),
        "clustering_fields": ["a"],
    }
    load(warehouse, "x.csv", b"2020-01-01,1\n", schema=[Field("d", "DATE"), Field("a", "INT64")], **config)
    table = warehouse.client.get_table(f"{warehouse.dataset}.t")
    assert (table.description, table.time_partitioning.field, table.clustering_fields) == ("trips", "d", ["a"])


def test_a_column_that_a_file_lacks_has_its_default_value(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t (a INT64, b INT64 DEFAULT 7)")
    load(warehouse, "x.json", b'{"a": 1}\n', source_format="NEWLINE_DELIMITED_JSON", schema=[Field("a", "INT64")])
    warehouse.client.insert_rows_json(f"{warehouse.dataset}.t", [{"a": 2}])
    assert warehouse.rows("SELECT a, b FROM t ORDER BY a") == [(1, 7), (2, 7)]


def test_a_table_is_copied(warehouse: Warehouse) -> None:
    warehouse.rows("CREATE TABLE t (a INT64 NOT NULL) CLUSTER BY a AS SELECT 1 AS a")
    source, to = f"{warehouse.dataset}.t", f"{warehouse.dataset}.u"
    warehouse.client.copy_table(source, to).result()
    copy = warehouse.client.get_table(to)
    assert (copy.num_rows, copy.clustering_fields) == (1, ["a"])
    config = bigquery.CopyJobConfig(write_disposition="WRITE_APPEND")
    warehouse.client.copy_table([source, source], to, job_config=config).result()
    assert warehouse.rows("SELECT count(*) FROM u") == [(3,)]


def test_an_external_table_reads_its_objects_anew(warehouse: Warehouse) -> None:
    uri = warehouse.server.put(f"{warehouse.dataset}/e.csv", b"a,b\n1,x\n")
    warehouse.rows(f"CREATE EXTERNAL TABLE e OPTIONS (format = 'CSV', uris = ['{uri}'])")
    assert warehouse.rows("SELECT * FROM e") == [(1, "x")]
    warehouse.server.put(f"{warehouse.dataset}/e.csv", b"a,b\n1,x\n2,y\n")
    assert warehouse.rows("SELECT count(*) FROM e WHERE a > 0") == [(2,)]


@pytest.fixture
def storage(warehouse: Warehouse) -> Iterator[dict[str, bytes]]:
    """What extracts upload to Cloud Storage, by the objects' names."""
    uploaded = dict[str, bytes]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            query = parse_qs(parts.query)
            status = 200 if parts.path == "/upload/storage/v1/b/bucket/o" else 404
            if status == 200 and "ifGenerationMatch" in query and query["name"][0] in uploaded:
                status = 412
            if status == 200:
                uploaded[query["name"][0]] = body
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        runners = warehouse.server.app.api.jobs._runners
        before: Any = runners["extract"]
        queries: Any = runners["query"]
        own = ExtractRunner(warehouse.server.app.api.store, f"http://127.0.0.1:{server.server_port}")
        runners["extract"] = queries.execution.extracts = own
        yield uploaded
        runners["extract"] = queries.execution.extracts = before
        server.shutdown()


def test_a_table_is_extracted_in_each_format(warehouse: Warehouse, storage: dict[str, bytes]) -> None:
    warehouse.rows("CREATE TABLE t AS SELECT 1 AS a, TIMESTAMP '2020-01-01 00:00:01' AS m, b'x' AS b, 'ü,' AS s")
    source = f"{warehouse.dataset}.t"

    def extract(name: str, **config: Any) -> bytes:
        job_config: Any = bigquery.ExtractJobConfig(**config)  # type: ignore[no-untyped-call]
        warehouse.client.extract_table(source, f"gs://bucket/{name}", job_config=job_config).result(retry=None)
        return storage[name]

    text = 'a,m,b,s\n1,2020-01-01 00:00:01 UTC,eA==,"ü,"\n'
    assert extract("x.csv").decode() == text
    assert gzip.decompress(extract("x.csv.gz", compression="GZIP")).decode() == text
    assert json.loads(extract("x.json", destination_format="NEWLINE_DELIMITED_JSON")) == {
        "a": "1",
        "m": "2020-01-01 00:00:01 UTC",
        "b": "eA==",
        "s": "ü,",
    }
    found = pq.read_table(io.BytesIO(extract("x.parquet", destination_format="PARQUET")))
    assert found.column_names == ["a", "m", "b", "s"] and found.to_pylist()[0]["b"] == b"x"
    with pytest.raises(NotFound, match="Not found: Bucket nothing"):
        warehouse.client.extract_table(source, "gs://nothing/x").result(retry=None)


def test_export_data_writes_a_query_into_the_bucket(warehouse: Warehouse, storage: dict[str, bytes]) -> None:
    options = "uri = 'gs://bucket/out-*.csv', format = 'CSV', field_delimiter = ';'"
    warehouse.rows(f"EXPORT DATA OPTIONS ({options}) AS SELECT 1 AS a, 'x' AS b")
    assert storage == {"out-000000000000.csv": b"a;b\n1;x\n"}
    with pytest.raises(BadRequest, match="not empty"):
        warehouse.rows(f"EXPORT DATA OPTIONS ({options}) AS SELECT 2 AS a")
    warehouse.rows(f"EXPORT DATA OPTIONS ({options}, overwrite = true) AS SELECT 2 AS a")
    assert storage == {"out-000000000000.csv": b"a\n2\n"}
    with pytest.raises(BadRequest, match="wild card URI"):
        warehouse.rows("EXPORT DATA OPTIONS (uri = 'gs://bucket/x.csv', format = 'CSV') AS SELECT 1 AS a")


def test_json_keeps_the_digits_of_decimals(warehouse: Warehouse) -> None:
    schema = [Field("n", "NUMERIC"), Field("b", "BIGNUMERIC"), Field("r", "RECORD", fields=[Field("n", "NUMERIC")])]
    number = "12345678901234567890.123456789"
    text = f'{{"n": {number}, "b": 0.12345678901234567890123456789, "r": {{"n": {number}}}}}\n'.encode()
    load(warehouse, "x.json", text, source_format="NEWLINE_DELIMITED_JSON", schema=schema)
    assert warehouse.rows("SELECT n, b, r.n AS inner_n FROM t") == [
        (Decimal(number), Decimal("0.12345678901234567890123456789"), Decimal(number))
    ]


@pytest.mark.parametrize("bad", [0, 1])
def test_line_breaks_in_values_of_csv_want_an_option(warehouse: Warehouse, bad: int) -> None:
    text, schema = b'1,"x\ny"\n2,z\n', [Field("a", "INT64"), Field("b", "STRING")]
    if bad:
        load(warehouse, "x.csv", text, source_format="CSV", schema=schema, max_bad_records=bad)
        assert warehouse.rows("SELECT * FROM t") == [(2, "z")]
        return
    with pytest.raises(BadRequest, match="allowQuotedNewlines"):
        load(warehouse, "x.csv", text, source_format="CSV", schema=schema)
    load(warehouse, "x.csv", text, source_format="CSV", schema=schema, allow_quoted_newlines=True)
    assert warehouse.rows("SELECT b FROM t ORDER BY a") == [("x\ny",), ("z",)]


def test_columns_without_a_header_are_called_as_in_bigquery(warehouse: Warehouse) -> None:
    load(warehouse, "x.csv", b"1,1.5,true,x,2020-01-01\n", source_format="CSV", autodetect=True)
    names = [field.name for field in warehouse.client.get_table(f"{warehouse.dataset}.t").schema]
    assert names == ["int64_field_0", "double_field_1", "bool_field_2", "string_field_3", "date_field_4"]


def test_names_of_objects_that_cannot_be_are_refused(warehouse: Warehouse) -> None:
    warehouse.server.put(f"{warehouse.dataset}/{'a' * 200}.csv", b"1\n")
    config = bigquery.LoadJobConfig(source_format="CSV", schema=[Field("a", "INT64")])
    names = {f"gs://bucket/{'*a' * 30}": "one wildcard", f"gs://{'b' * 5000}/x": "Not found: URI"}
    for name, sentence in names.items():
        with pytest.raises((BadRequest, NotFound), match=sentence):
            warehouse.client.load_table_from_uri(name, f"{warehouse.dataset}.t", job_config=config).result(retry=None)
    some = f"gs://bucket/{warehouse.dataset}/aa*.csv"
    warehouse.client.load_table_from_uri(some, f"{warehouse.dataset}.t", job_config=config).result(retry=None)
    assert warehouse.rows("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, 253_402_300_800_000_000], pa.timestamp("us", "UTC")),
        pa.array([0, 253_402_300_800_000_000], pa.timestamp("us")),
        pa.array([0, -62_135_596_800_000_001], pa.timestamp("us", "UTC")),
        pa.array([0, 2_932_897], pa.date32()),
    ],
)
def test_times_that_bigquery_does_not_have_are_refused(warehouse: Warehouse, column: Any) -> None:
    with pytest.raises(BadRequest, match="years 1 to 9999"):
        load(warehouse, "x.parquet", parquet(a=column), source_format="PARQUET")
    load(warehouse, "y.parquet", parquet(a=column[:1]), source_format="PARQUET")
    assert warehouse.rows("SELECT COUNT(a) FROM t") == [(1,)]


def test_tables_of_other_columns_are_not_copied_together(warehouse: Warehouse) -> None:
    for name, column in (("a1", "x"), ("a2", "x"), ("b", "y")):
        warehouse.rows(f"CREATE TABLE {name} AS SELECT 1 AS {column}")
    place = f"{warehouse.client.project}.{warehouse.dataset}"
    with pytest.raises(BadRequest, match="Provided Schema does not match"):
        warehouse.client.copy_table([f"{place}.a1", f"{place}.b"], f"{place}.t").result(retry=None)
    warehouse.client.copy_table([f"{place}.a1", f"{place}.a2"], f"{place}.t").result(retry=None)
    assert warehouse.rows("SELECT x FROM t") == [(1,), (1,)]


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [("ISO-8859-1", "latin-1"), ("UTF-16BE", "utf-16-be"), ("UTF-16LE", "utf-16-le"), ("UTF-32BE", "utf-32-be"),
     ("UTF-32LE", "utf-32-le"), ("UTF-8", "utf-8")],
)  # fmt: skip
@pytest.mark.parametrize("more", [{}, {"max_bad_records": 1}, {"autodetect": True, "schema": None}])
def test_csv_of_other_encodings(warehouse: Warehouse, encoding: str, codec: str, more: Any) -> None:
    text = 'name,n\nÄrger,1\n"é,ÿ",2\n'.encode(codec)
    options: dict[str, Any] = {"source_format": "CSV", "skip_leading_rows": 1, "encoding": encoding}
    options |= {"schema": [Field("name", "STRING"), Field("n", "INT64")], **more}
    load(warehouse, "x.csv", text, **{name: value for name, value in options.items() if value is not None})
    assert warehouse.rows("SELECT name, n FROM t ORDER BY n") == [("Ärger", 1), ("é,ÿ", 2)]


@pytest.mark.parametrize("more", [{}, {"max_bad_records": 1}])
def test_bytes_that_are_no_text_are_replaced(warehouse: Warehouse, more: Any) -> None:
    options: dict[str, Any] = {"source_format": "CSV", "schema": [Field("name", "STRING"), Field("n", "INT64")], **more}
    load(warehouse, "x.csv", b"M\xfcller,1\nok,2\n", **options)
    assert warehouse.rows("SELECT name, n FROM t ORDER BY n") == [("M\ufffdller", 1), ("ok", 2)]
    load(warehouse, "y.csv", b"a\xd8", **{**options, "schema": options["schema"][:1]}, table="u", encoding="UTF-16BE")
    assert warehouse.rows("SELECT name FROM u") == [("\u61d8",)]
    with pytest.raises(BadRequest, match="Invalid value for encoding: LATIN-7"):
        load(warehouse, "x.csv", b"a,1\n", **options, encoding="latin-7")


def test_json_of_utf_16(warehouse: Warehouse) -> None:
    options: dict[str, Any] = {"source_format": "NEWLINE_DELIMITED_JSON", "autodetect": True, "encoding": "UTF-16LE"}
    load(warehouse, "x.json", '\ufeff{"name": "Ä"}\n{"name": "ß"}\n'.encode("utf-16-le"), **options)
    assert sorted(warehouse.rows("SELECT name FROM t")) == [("Ä",), ("ß",)]


def test_the_character_zero_is_refused_unless_it_is_asked_for(warehouse: Warehouse) -> None:
    options: dict[str, Any] = {"source_format": "CSV", "schema": [Field("name", "STRING")]}
    with pytest.raises(BadRequest, match=r"Bad character \(ASCII 0\) encountered"):
        load(warehouse, "x.csv", b"a\0b\n", **options)
    load(warehouse, "x.csv", b"a\0b\n", **options, preserve_ascii_control_characters=True)
    assert warehouse.rows("SELECT name FROM t") == [("a\0b",)]


MAP = pa.array([[("a", 1), ("b", None)], [], None], pa.map_(pa.string(), pa.int64()))
PAIRS = [[{"key": "a", "value": 1}, {"key": "b", "value": None}], [], []]


def test_a_map_of_parquet_is_an_array_of_pairs(warehouse: Warehouse) -> None:
    content = parquet(id=[1, 2, 3], m=MAP)
    options = bigquery.ParquetOptions()  # type: ignore[no-untyped-call]
    options.map_target_type = "ARRAY_OF_STRUCT"
    load(warehouse, "x.parquet", content, source_format="PARQUET", parquet_options=options)
    assert [row[0] for row in warehouse.rows("SELECT m FROM t ORDER BY id")] == PAIRS
    field = warehouse.client.get_table(f"{warehouse.dataset}.t").schema[1]
    assert [(one.name, one.field_type, one.mode) for one in field.fields] == [
        ("key", "STRING", "REQUIRED"),
        ("value", "INTEGER", "NULLABLE"),
    ]
    load(warehouse, "x.parquet", content, "u", source_format="PARQUET")
    assert warehouse.rows("SELECT m.key_value FROM u WHERE id < 3 ORDER BY id") == [(one,) for one in PAIRS[:2]]


def test_a_map_of_avro_is_an_array_of_pairs(warehouse: Warehouse) -> None:
    kind = ["null", {"type": "map", "values": ["null", "long"]}]
    sink = io.BytesIO()
    fastavro.writer(
        sink,
        {"type": "record", "name": "r", "fields": [{"name": "id", "type": "long"}, {"name": "m", "type": kind}]},
        [{"id": 1, "m": {"a": 1, "b": None}}, {"id": 2, "m": {}}, {"id": 3, "m": None}],
    )
    load(warehouse, "x.avro", sink.getvalue(), source_format="AVRO")
    assert [row[0] for row in warehouse.rows("SELECT m FROM t ORDER BY id")] == PAIRS


def test_rules_of_columns_count_row_by_row(warehouse: Warehouse) -> None:
    schema = [
        Field("b", "BIGNUMERIC", precision=40, scale=2),
        Field("n", "NUMERIC", precision=3, scale=2),
        Field("s", "STRING", "REPEATED", max_length=2),
    ]
    lines = [
        {"b": "1.235", "n": 1.5, "s": ["ab"]},
        {"b": "1e38", "n": 1, "s": []},
        {"b": "1", "n": 9.996, "s": []},
        {"b": "1", "n": 1, "s": ["ab", "abc"]},
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    options: dict[str, Any] = {"source_format": "NEWLINE_DELIMITED_JSON", "schema": schema}
    with pytest.raises(BadRequest, match="Field b: the value has more than 38 digits before the point in row 1"):
        load(warehouse, "x.json", content, **options)
    load(warehouse, "x.json", content, **options, max_bad_records=3)
    assert warehouse.rows("SELECT b, n, s FROM t") == [(Decimal("1.24"), Decimal("1.5"), ["ab"])]
    errors = warehouse.client.insert_rows_json(f"{warehouse.dataset}.t", lines[1:] + lines[:1], skip_invalid_rows=True)
    assert [one["index"] for one in errors] == [0, 1, 2]
    assert warehouse.rows("SELECT COUNT(*) FROM t WHERE b = 1.24") == [(2,)]


def test_the_widest_numeric_of_all_takes_its_values(warehouse: Warehouse) -> None:
    """dlt and dbt write NUMERIC(38, 9) for each NUMERIC."""
    most = "99999999999999999999999999999.999999999"
    warehouse.rows("CREATE TABLE t (a NUMERIC(38, 9), b NUMERIC(30, 1), c STRUCT<d NUMERIC(38, 9)>)")
    warehouse.rows(f"INSERT INTO t VALUES (NUMERIC '{most}', 2.55, STRUCT(NUMERIC '-1.5'))")
    load(warehouse, "x.json", b'{"a": "-1.123456789", "b": 3, "c": {"d": 4}}', source_format="NEWLINE_DELIMITED_JSON")
    assert warehouse.rows("SELECT CAST(a AS STRING), CAST(b AS STRING), c.d FROM t ORDER BY a DESC") == [
        (most, "2.6", Decimal("-1.5")),
        ("-1.123456789", "3", Decimal(4)),
    ]
    with pytest.raises(BadRequest):
        warehouse.rows("INSERT INTO t (b) VALUES (99999999999999999999999999999.99)")
