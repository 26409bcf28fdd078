"""The addresses that nginx hands on to service `taxi`."""

from __future__ import annotations

import re

import pytest

from orionbox.release import urls
from orionbox.trips.months import RELEASE_PATH
from tests.conftest import ROOT

CONFIGURATION = (ROOT / "services/internet/conf.d/taxi.conf").read_text()


def is_handed_on(path: str) -> bool:
    """Nginx compares the decoded path."""
    location = re.search(r'location ~ "(.*)" \{', CONFIGURATION)
    assert location
    return bool(re.search(location[1], path))


@pytest.mark.parametrize(
    "path",
    [
        f"/{RELEASE_PATH}/fhv/fhv_tripdata_2019-01.csv.gz",
        f"/{RELEASE_PATH}/misc/taxi_zone_lookup.csv",
        "/trip-data/yellow_tripdata_2021-01.parquet",
        "/trip data/yellow_tripdata_2021-01.csv",
        "/misc/taxi+_zone_lookup.csv",
        "/nyc-tlc/trip+data/green_tripdata_2021-01.csv",
        "/nyc-tlc/misc/taxi+_zone_lookup.csv",
    ],
)
def test_every_address_of_a_taxi_file_is_handed_on(path: str) -> None:
    assert urls.parse(path) and is_handed_on(path)


def test_so_is_the_list_of_fetched_files() -> None:
    assert is_handed_on("/orionbox/fetched.json")


@pytest.mark.parametrize("path", ["/ada/tips.git/info/refs", "/services/T0/B0/x", "/healthz", "/DataTalksClub/other"])
def test_other_addresses_are_not(path: str) -> None:
    assert not is_handed_on(path)
