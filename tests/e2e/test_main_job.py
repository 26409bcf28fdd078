"""The main job, run twice with the README's command, and the content of each store afterwards."""

from __future__ import annotations

import re
import subprocess

import pyarrow.parquet as pq
import pytest

from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.months import TripFile
from tests.conftest import Checkout, wait_for
from tests.e2e.conftest import MainJob
from tests.reports import assert_documented
from tests.stores import bigquery_client, bucket_files, query_bigquery, query_postgres

MONTHS = (1, 2)
REAL_ROWS = {1: 76_518, 2: 64_572}


@pytest.fixture(scope="module")
def expected(platform: Checkout) -> dict[int, int]:
    """Rows by month, from the files themselves."""
    rows = {month: platform.rows_in(f"green/green_tripdata_2021-{month:02}.csv.gz") for month in MONTHS}
    assert rows == REAL_ROWS
    return rows


def test_the_run_ends_with_a_table_that_adds_up(main_jobs: list[MainJob], expected: dict[int, int]) -> None:
    for job in main_jobs:
        total = f"{sum(expected.values()):,}"
        assert re.search(rf"^total\s+{total}\s+{total}\s+{total}\s+{total}$", job.output, re.MULTILINE)
        for month, rows in expected.items():
            cells = r"\s+".join([f"{rows:,}"] * 4)
            assert re.search(rf"^green 2021-{month:02}\s+real\s+{cells}$", job.output, re.MULTILINE)


def test_the_report_has_its_documented_form(main_jobs: list[MainJob], expected: dict[int, int]) -> None:
    rows = {TripFile("green", 2021, month): count for month, count in expected.items()}
    assert_documented(main_jobs[-1].report, "compose", rows)


def test_the_run_took_place_in_a_container_of_its_own(platform: Checkout, main_jobs: list[MainJob]) -> None:
    for job in main_jobs:
        assert job.run["infrastructure_pid"].startswith("http://docker-proxy:2375:")


def test_postgres_has_each_row_once(platform: Checkout, main_jobs: list[MainJob], expected: dict[int, int]) -> None:
    assert query_postgres(platform.settings, rows_by_file("green_tripdata", expected)) == by_file(expected)


def test_bigquery_has_each_row_once(platform: Checkout, main_jobs: list[MainJob], expected: dict[int, int]) -> None:
    sql = rows_by_file("trips_data_all.green_tripdata", expected)
    assert query_bigquery(platform.settings, sql) == by_file(expected)


def rows_by_file(table: str, expected: dict[int, int]) -> str:
    """Asks only for the main job's months: other tests on the same platform load others."""
    files = ", ".join(f"'{name}'" for name, _ in by_file(expected))
    return f"SELECT source_file, count(*) FROM {table} WHERE source_file IN ({files}) GROUP BY 1 ORDER BY 1"


def by_file(expected: dict[int, int]) -> list[tuple[str, int]]:
    return [(f"green_tripdata_2021-{month:02}.csv.gz", rows) for month, rows in expected.items()]


def test_prune_deletes_an_old_result_and_no_row(
    platform: Checkout, main_jobs: list[MainJob], expected: dict[int, int]
) -> None:
    old, folder = "of-the-year-2000", "/var/lib/prefect/storage"
    write = f"mkdir -p {folder} && touch -d 2000-01-01 {folder}/{old}"
    container = f"{platform.settings['COMPOSE_PROJECT_NAME']}-sweeper-1"

    def ask(script: str) -> str:
        return platform.run("docker", "exec", container, "sh", "-c", script).stdout

    ask(write)
    assert "would be freed:" in platform.make("prune", "DRY_RUN=yes") and old in ask(f"ls {folder}")
    freed = platform.make("prune")
    assert "results of tasks" in freed and "kept: all rows, objects and runs" in freed
    assert old not in ask(f"ls {folder}")
    sql = rows_by_file("trips_data_all.green_tripdata", expected)
    assert query_bigquery(platform.settings, sql) == by_file(expected)


def test_rows_without_a_vendor_are_kept(platform: Checkout, main_jobs: list[MainJob]) -> None:
    in_postgres = query_postgres(platform.settings, 'SELECT count(*) FROM green_tripdata WHERE "VendorID" IS NULL')
    sql = "SELECT count(*) FROM trips_data_all.green_tripdata WHERE VendorID IS NULL"
    assert in_postgres[0][0] > 0
    assert query_bigquery(platform.settings, sql) == in_postgres


def test_bigquery_keeps_the_types_of_the_data_dictionary(platform: Checkout, main_jobs: list[MainJob]) -> None:
    with bigquery_client(platform.settings) as client:
        types = {column.name: column.field_type for column in client.get_table("trips_data_all.green_tripdata").schema}
    assert (types["VendorID"], types["passenger_count"]) == ("INTEGER", "INTEGER")
    assert (types["lpep_pickup_datetime"], types["fare_amount"]) == ("DATETIME", "FLOAT")


def test_the_bucket_has_a_parquet_object_for_each_month(
    platform: Checkout, main_jobs: list[MainJob], expected: dict[int, int]
) -> None:
    files = bucket_files(platform.settings)
    for month, rows in expected.items():
        with files.open(f"prefect-de-zoomcamp/data/green/green_tripdata_2021-{month:02}.parquet") as file:
            parquet = pq.ParquetFile(file)
            assert parquet.metadata.num_rows == rows
            assert parquet.schema_arrow.equals(ARROW_SCHEMAS["green"])


def test_no_container_of_a_run_is_left(platform: Checkout, main_jobs: list[MainJob]) -> None:
    label = f"label=orionbox.project={platform.settings['COMPOSE_PROJECT_NAME']}"
    left = ["docker", "ps", "--all", "--quiet", "--filter", label]
    # The flow ends a moment before its process does
    wait_for(lambda: not subprocess.run(left, capture_output=True, check=True).stdout, "the run's container to go")


def test_ingest_loads_the_csv_straight_into_postgres(platform: Checkout, expected: dict[int, int]) -> None:
    output = platform.make("ingest", "COLOR=green", "YEAR=2021", "MONTHS=1")
    assert "Loading into table green_tripdata" in output
    assert f"green_tripdata_2021-01.csv.gz: {expected[1]:,} rows -> Postgres green_tripdata" in output
