"""A load replaces its own month in one transaction: in Postgres and in BigQuery alike."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from adbc_driver_postgresql import dbapi

from orionbox.errors import BadInputError, IncompleteRunError
from orionbox.stores import bigquery, postgres
from orionbox.stores.objects import require_replaceable
from orionbox.stores.parquet import ParquetStream
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.months import TripFile
from tests.integration.conftest import Stores

JANUARY, FEBRUARY = TripFile("green", 2021, 1), TripFile("green", 2021, 2)
SCHEMA = ARROW_SCHEMAS["green"]


def trips(rows: int) -> pa.RecordBatch:
    """Returns rows with only a vendor; the first row has none."""
    columns = [pa.nulls(rows, field.type) for field in SCHEMA]
    columns[0] = pa.array([None, *range(1, rows)], pa.int64())
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def priced_trips(rows: int, dollars: float = 1.0) -> pa.RecordBatch:
    """Returns rows with amounts and distances."""
    numbers = [pa.array([dollars * row for row in range(rows)]) for field in SCHEMA if field.type == pa.float64()]
    columns = iter(numbers)
    arrays = [next(columns) if field.type == pa.float64() else pa.nulls(rows, field.type) for field in SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def parquet(rows: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_batches([trips(rows)]), sink)
    return sink.getvalue()


def load_postgres(stores: Stores, month: TripFile, rows: int, kind: str = "excerpt", force: bool = False) -> int:
    return postgres.replace_month(stores.postgres_uri, month, [trips(rows)], lambda rows: kind, force)


def load_bigquery(stores: Stores, month: TripFile, rows: int, kind: str = "excerpt", force: bool = False) -> int:
    uri = stores.put(f"{month.object_name}.{rows}", parquet(rows))
    bigquery.replace_month(stores.bigquery, stores.dataset, month, uri, rows, kind, force)
    return rows


def count_postgres(stores: Stores, month: TripFile) -> int:
    return postgres.count_month(stores.postgres_uri, month)


def count_bigquery(stores: Stores, month: TripFile) -> int:
    return bigquery.count_month(stores.bigquery, stores.dataset, month)


BOTH = pytest.mark.parametrize(
    ("load", "count"),
    [
        pytest.param(load_postgres, count_postgres, id="postgres"),
        pytest.param(load_bigquery, count_bigquery, id="bigquery"),
    ],
)


@BOTH
def test_a_month_that_is_loaded_twice_is_there_once(stores: Stores, load, count) -> None:  # type: ignore[no-untyped-def]
    assert load(stores, JANUARY, 1_000) == 1_000
    assert load(stores, FEBRUARY, 10) == 10
    assert load(stores, JANUARY, 2_000) == 2_000
    assert (count(stores, JANUARY), count(stores, FEBRUARY)) == (2_000, 10)


@BOTH
def test_generated_data_replaces_a_real_month_only_if_it_is_forced(stores: Stores, load, count) -> None:  # type: ignore[no-untyped-def]
    load(stores, JANUARY, 10, "generated")
    load(stores, JANUARY, 20, "real")
    for kind in ("generated", "excerpt"):
        with pytest.raises(BadInputError, match=r"holds the real month green 2021-01.*nothing was replaced.*FORCE=yes"):
            load(stores, JANUARY, 30, kind)
    assert count(stores, JANUARY) == 20
    load(stores, FEBRUARY, 30, "generated")
    load(stores, JANUARY, 30, "generated", force=True)
    load(stores, JANUARY, 40, "generated")
    assert count(stores, JANUARY) == 40


def test_a_month_that_nobody_has_recorded_counts_as_real(stores: Stores) -> None:
    table = f"{stores.dataset}.{bigquery.LOADED_MONTHS}"
    for load in (load_postgres, load_bigquery):
        load(stores, JANUARY, 76_518, "generated")
    with dbapi.connect(stores.postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute(f'COMMENT ON TABLE "{JANUARY.name}" IS NULL')
        connection.commit()
    stores.bigquery.delete_table(table)
    for load in (load_postgres, load_bigquery):
        with pytest.raises(BadInputError, match="holds the real month"):
            load(stores, JANUARY, 10, "generated")
        load(stores, JANUARY, 76_518, "real")


def test_a_platform_of_version_0_2_0_gets_its_record_with_the_first_month(stores: Stores) -> None:
    stores.bigquery.delete_table(f"{stores.dataset}.{bigquery.LOADED_MONTHS}")
    load_bigquery(stores, JANUARY, 10, "real")
    with pytest.raises(BadInputError, match="holds the real month"):
        load_bigquery(stores, JANUARY, 10, "generated")


def test_the_record_in_bigquery_has_one_line_for_each_month(stores: Stores) -> None:
    for rows, kind in ((10, "generated"), (20, "excerpt"), (30, "real")):
        load_bigquery(stores, JANUARY, rows, kind)
    found = stores.bigquery.query_and_wait(f"SELECT source_file, kind FROM {stores.dataset}.{bigquery.LOADED_MONTHS}")
    assert [tuple(row) for row in found] == [(JANUARY.csv_name, "real")]


def test_an_object_of_the_bucket_is_replaced_by_a_lower_rank_only_if_it_is_forced(stores: Stores) -> None:
    def put(kind: str, rows: int = 10, force: bool = False) -> None:
        stream = ParquetStream([priced_trips(rows)], SCHEMA, lambda _: kind)
        content = b"".join(stream)
        require_replaceable(stores.bucket, JANUARY, stream.footer, force)
        stores.put(JANUARY.object_name, content)

    put("generated")
    put("real")
    for kind in ("generated", "excerpt"):
        with pytest.raises(BadInputError, match=rf"gs://{stores.bucket.name}/data/green/.* holds the real month"):
            put(kind)
    put("generated", force=True)
    put("generated")


def test_an_object_of_the_course_s_code_is_replaced_if_it_has_the_same_trips(stores: Stores) -> None:
    """It has no record, and as many rows as the real month, so it would count as real."""
    table = pa.Table.from_batches([priced_trips(76_518)])
    sink = io.BytesIO()
    table.to_pandas().to_parquet(sink, compression="gzip")
    stores.put(JANUARY.object_name, sink.getvalue())
    same, other = (
        ParquetStream([batch], SCHEMA, lambda _: "generated")
        for batch in (priced_trips(76_518), priced_trips(76_518, 2.0))
    )
    for stream in (same, other):
        b"".join(stream)
    require_replaceable(stores.bucket, JANUARY, same.footer, force=False)
    with pytest.raises(BadInputError, match="holds the real month"):
        require_replaceable(stores.bucket, JANUARY, other.footer, force=False)
    stores.put(JANUARY.object_name, b"no parquet file")
    require_replaceable(stores.bucket, JANUARY, other.footer, force=False)


@BOTH
def test_two_months_load_side_by_side(stores: Stores, load, count) -> None:  # type: ignore[no-untyped-def]
    with ThreadPoolExecutor() as pool:
        loads = [pool.submit(load, stores, month, 3_000) for month in (JANUARY, FEBRUARY) for _ in range(3)]
        assert [future.result() for future in loads] == [3_000] * 6
    assert (count(stores, JANUARY), count(stores, FEBRUARY)) == (3_000, 3_000)


@BOTH
def test_a_reader_never_sees_half_a_month(stores: Stores, load, count) -> None:  # type: ignore[no-untyped-def]
    load(stores, JANUARY, 50_000)
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(count(stores, JANUARY))

    with ThreadPoolExecutor() as pool:
        reader = pool.submit(read)
        for rows in (60_000, 50_000, 60_000):
            load(stores, JANUARY, rows)
        done.set()
        reader.result()
    assert seen and seen <= {50_000, 60_000}


def test_a_load_into_postgres_that_breaks_off_changes_nothing(stores: Stores) -> None:
    load_postgres(stores, JANUARY, 1_000)

    def broken() -> Iterator[pa.RecordBatch]:
        yield trips(500)
        raise OSError("the connection is gone")

    with pytest.raises(Exception, match="the connection is gone"):
        postgres.replace_month(stores.postgres_uri, JANUARY, broken(), lambda rows: "real")
    assert count_postgres(stores, JANUARY) == 1_000


def test_a_load_into_bigquery_of_an_object_that_is_not_there_changes_nothing(stores: Stores) -> None:
    load_bigquery(stores, JANUARY, 1_000)
    with pytest.raises(Exception, match="nothing"):
        bigquery.replace_month(
            stores.bigquery, stores.dataset, JANUARY, f"gs://{stores.bucket.name}/nothing.parquet", 1, "excerpt"
        )
    assert count_bigquery(stores, JANUARY) == 1_000
    assert {table.table_id for table in stores.bigquery.list_tables(stores.dataset)} == {
        "green_tripdata",
        "yellow_tripdata",
        "loaded_months",
    }, "the staging table is gone"


def test_a_load_that_lost_rows_on_its_way_into_bigquery_changes_nothing(stores: Stores) -> None:
    load_bigquery(stores, JANUARY, 1_000)
    uri = stores.put("short.parquet", parquet(999))
    with pytest.raises(IncompleteRunError, match="has 1,001 rows, but BigQuery loaded 999"):
        bigquery.replace_month(stores.bigquery, stores.dataset, JANUARY, uri, 1_001, "excerpt")
    assert count_bigquery(stores, JANUARY) == 1_000


def test_a_table_of_the_user_s_own_is_not_touched(stores: Stores) -> None:
    with dbapi.connect(stores.postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE green_tripdata AS SELECT 1 AS mine")
        connection.commit()
    with pytest.raises(
        BadInputError, match="rename or drop it: ALTER TABLE green_tripdata RENAME TO my_green_tripdata"
    ):
        load_postgres(stores, JANUARY, 10)


def test_a_reader_who_holds_the_table_open_delays_no_second_reader_for_long(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_postgres(stores, JANUARY, 10)
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT", "200ms")
    with dbapi.connect(stores.postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM green_tripdata")
        cursor.fetchone()
        with pytest.raises(Exception, match="lock timeout"):
            load_postgres(stores, JANUARY, 20)
    assert count_postgres(stores, JANUARY) == 10
    assert load_postgres(stores, JANUARY, 20) == 20


def test_types_and_nulls_arrive_as_the_data_dictionary_has_them(stores: Stores) -> None:
    load_postgres(stores, JANUARY, 2)
    load_bigquery(stores, JANUARY, 2)
    with dbapi.connect(stores.postgres_uri) as connection, connection.cursor() as cursor:
        cursor.execute('SELECT "VendorID", pg_typeof("VendorID")::text FROM green_tripdata ORDER BY 1 NULLS FIRST')
        assert cursor.fetchall() == [(None, "bigint"), (1, "bigint")]
    rows = stores.bigquery.query_and_wait(f"SELECT VendorID FROM {stores.dataset}.green_tripdata ORDER BY VendorID")
    assert [row[0] for row in rows] == [None, 1]
