"""A bad file fails the run with one message, and the month's rows from before stay in all three stores."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from orionbox.trips.months import TripFile
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
GOOD = gzip.compress(TEXT.encode())
BAD = {
    "truncated gzip": (GOOD[: len(GOOD) - 20], "the gzip data is cut off or damaged"),
    "web page": (b"<!DOCTYPE html><html>404</html>", "not a gzip file but a web page"),
    "missing column": (
        gzip.compress(TEXT.replace("VendorID,", "", 1).encode()),
        "line 1: the header lacks 'VendorID'",
    ),
    "renamed column": (
        gzip.compress(TEXT.replace("VendorID", "vendor", 1).encode()),
        "line 1: the header lacks 'VendorID' and has unknown 'vendor'",
    ),
    "unparsable date in the last line": (
        gzip.compress((TEXT + ROW.replace("2019-03-01", "03/01/2019", 1) + "\n").encode()),
        "line 1002: column 'tpep_pickup_datetime': '03/01/2019 00:30:10' is not a time like 2021-01-31 23:59:59",
    ),
}


def contents(platform: Checkout) -> tuple[int, object, object]:
    """The month in the three stores: the object's bytes, BigQuery's rows, Postgres' rows."""
    settings, where = platform.settings, f"WHERE source_file = '{TRIPS.csv_name}'"
    return (
        bucket_files(settings).size(f"prefect-de-zoomcamp/{TRIPS.object_name}"),
        query_bigquery(settings, f"SELECT count(*) FROM trips_data_all.{TRIPS.table} {where}"),
        query_postgres(settings, f"SELECT count(*) FROM {TRIPS.table} {where}"),
    )


@pytest.fixture(scope="module")
def file(platform: Checkout) -> Path:
    """The month's file, once loaded as a good one."""
    path = platform.root / "data" / TRIPS.csv_path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(GOOD)
    platform.make("run-etl", "COLOR=yellow", "YEAR=2019", "MONTHS=3")
    assert contents(platform)[1:] == ([(1_000,)], [(1_000,)])
    return path


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_file_is_named_and_leaves_the_month_as_it_was(platform: Checkout, file: Path, fault: str) -> None:
    before = contents(platform)
    file.write_bytes(BAD[fault][0])
    output = platform.refuses("run-etl", "COLOR=yellow", "YEAR=2019", "MONTHS=3")
    message = output.splitlines()[-2]
    assert message.startswith(TRIPS.csv_name) and BAD[fault][1] in message and "`make data`" in message
    assert "Failed after" in output
    assert contents(platform) == before


def test_a_month_that_the_web_does_not_have_says_how_to_get_it(platform: Checkout) -> None:
    run = platform.finished_run("etl/docker", {"color": "green", "year": 2019, "months": [7]})
    assert run["state_type"] == "FAILED"
    assert "make data COLOR=green YEAR=2019 MONTHS=7" in run["state"]["message"]


def test_a_good_month_arrives_although_another_fails(platform: Checkout, file: Path) -> None:
    file.write_bytes(b"")
    second = platform.root / "data" / TripFile("yellow", 2019, 4).csv_path
    second.write_bytes(gzip.compress(TEXT.replace("2019-03", "2019-04").encode()))
    output = platform.refuses("run-etl", "COLOR=yellow", "YEAR=2019", "MONTHS=3,4")
    assert f"{TRIPS.csv_name}: the file is empty" in output
    assert "yellow 2019-04" in output and "1,000" in output
