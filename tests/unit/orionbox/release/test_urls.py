from __future__ import annotations

import pytest

from orionbox.release import urls
from orionbox.trips.months import RELEASE_PATH
from orionbox.trips.row_counts import Month

RELEASE = f"/{RELEASE_PATH}"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"{RELEASE}/green/green_tripdata_2021-01.csv.gz", "green/green_tripdata_2021-01.csv.gz"),
        (f"{RELEASE}/fhv/fhv_tripdata_2019-12.csv.gz", "fhv/fhv_tripdata_2019-12.csv.gz"),
        ("/trip-data/yellow_tripdata_2021-01.parquet", "yellow/yellow_tripdata_2021-01.parquet"),
        ("/nyc-tlc/trip+data/yellow_tripdata_2021-01.csv", "yellow/yellow_tripdata_2021-01.csv"),
        ("/nyc-tlc/trip%20data/fhv_tripdata_2019-01.parquet", "fhv/fhv_tripdata_2019-01.parquet"),
        ("/trip+data/green_tripdata_2020-01.parquet", "green/green_tripdata_2020-01.parquet"),
        (f"{RELEASE}/misc/taxi_zone_lookup.csv", "misc/taxi_zone_lookup.csv"),
        ("/misc/taxi+_zone_lookup.csv", "misc/taxi+_zone_lookup.csv"),
        ("/misc/taxi%2B_zone_lookup.csv", "misc/taxi+_zone_lookup.csv"),
        ("/nyc-tlc/misc/taxi%20_zone_lookup.csv", "misc/taxi+_zone_lookup.csv"),
        (f"{RELEASE}/sources.json", "sources.json"),
    ],
)
def test_every_published_address_leads_to_its_file(path: str, name: str) -> None:
    request = urls.parse(path)
    assert request and request.name == name


def test_a_month_is_told_from_its_address() -> None:
    request = urls.parse("/trip-data/yellow_tripdata_2021-03.parquet")
    assert request and request.month == Month("yellow", 2021, 3)
    assert request.form == "parquet" and request.is_of_tlc


@pytest.mark.parametrize(
    "path",
    [
        f"{RELEASE}/../.env",
        f"{RELEASE}/green/../../.env",
        f"{RELEASE}/green/%2e%2e/%2e%2e/.env",
        f"{RELEASE}/.part-sources.json",
        f"{RELEASE}/green/yellow_tripdata_2021-01.csv.gz",
        f"{RELEASE}/green/green_tripdata_2021-01.csv.gz\n",
        "/green/green_tripdata_2021-01.csv.gz",
        "/trip-data/../secrets.parquet",
        "/misc/.hidden.csv",
        "/healthz",
    ],
)
def test_nothing_else_can_be_asked_for(path: str) -> None:
    assert urls.parse(path) is None
