"""A bad file fails the run with one message, and its month stays as it was in all three stores.

tests/integration/trips/test_bad_months.py has the kinds of bad files.
"""

from __future__ import annotations

import gzip

import pytest

from orionbox.runs.report import ARTIFACT_KEY
from orionbox.trips.months import TripFile
from orionbox.trips.row_counts import expected_rows
from tests.conftest import Checkout
from tests.stores import bucket_files, query_bigquery, query_postgres

TRIPS = TripFile("yellow", 2019, 3)
HEADER = (
    "VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,"
    "PULocationID,DOLocationID,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,improvement_surcharge,"
    "total_amount,congestion_surcharge"
)
ROW = "1,2019-03-01 00:30:10,2019-03-01 00:36:12,1,2.10,1,N,142,43,2,8,3,0.5,0,0,0.3,11.8,2.5"
TEXT = "\n".join([HEADER, *[ROW] * 1_000, ""])


def contents(platform: Checkout) -> tuple[int, object, object]:
    """The month in the three stores: the object's bytes, BigQuery's rows, Postgres' rows."""
    settings, where = platform.settings, f"WHERE source_file = '{TRIPS.csv_name}'"
    return (
        bucket_files(settings).size(f"prefect-de-zoomcamp/{TRIPS.object_name}"),
        query_bigquery(settings, f"SELECT count(*) FROM trips_data_all.{TRIPS.table} {where}"),
        query_postgres(settings, f"SELECT count(*) FROM {TRIPS.table} {where}"),
    )


@pytest.fixture(scope="module")
def before(platform: Checkout) -> tuple[int, object, object]:
    """Returns the month in the stores after a good file."""
    write(platform, TRIPS, TEXT)
    platform.make("run-etl", "COLOR=yellow", "YEAR=2019", "MONTHS=3")
    assert contents(platform)[1:] == ([(1_000,)], [(1_000,)])
    return contents(platform)


def write(platform: Checkout, trips: TripFile, text: str) -> None:
    path = platform.root / "data" / trips.csv_path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def test_a_bad_file_is_named_and_leaves_its_month_as_it_was_and_a_good_month_arrives(
    platform: Checkout, before: tuple[int, object, object]
) -> None:
    write(platform, TRIPS, TEXT + ROW.replace("2019-03-01", "03/01/2019", 1) + "\n")
    write(platform, TripFile("yellow", 2019, 4), TEXT.replace("2019-03", "2019-04"))
    output = platform.make_fails("run-etl", "COLOR=yellow", "YEAR=2019", "MONTHS=3,4")
    message = output.splitlines()[-2]
    assert message.startswith(f"{TRIPS.csv_name}, line 1002: column 'tpep_pickup_datetime': '03/01/2019 00:30:10' is")
    assert "`make data`" in message and "Failed after" in output
    assert contents(platform) == before
    assert "yellow 2019-04" in output and "1,000" in output


def test_a_month_that_is_nowhere_is_generated_and_the_run_says_so(platform: Checkout) -> None:
    run = platform.finished_run("etl/docker", {"color": "green", "year": 2020, "months": [5]})
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    (month,) = platform.orion.table_artifact(run["id"], ARTIFACT_KEY)
    assert (month["source"], month["rows.source"]) == ("generated", expected_rows(TripFile("green", 2020, 5)))
