"""The server of the taxi files: the same answers as nginx gives in compose."""

from __future__ import annotations

import re

import pytest

from cli.runtimes.embedded import taxi_server
from tests.conftest import ROOT


def test_both_servers_of_taxi_files_say_the_same_about_a_missing_month() -> None:
    nginx = (ROOT / "services/internet/conf.d/taxi.conf").read_text()
    text = re.search(r'return 404 "(Orionbox.*)";', nginx)
    assert text
    month = {"$color": "green", "$file": "green_tripdata_2031-01.csv.gz", "$year": "2031", "$month": "1", "\\n": "\n"}
    expected = text[1]
    for variable, value in month.items():
        expected = expected.replace(variable, value)
    assert taxi_server.explain("green/green_tripdata_2031-01.csv.gz") == expected


@pytest.mark.parametrize(
    "name", ["../.env", "green/../../.env", ".part-sources.json", "green/yellow_tripdata_2021-01.csv.gz", "/healthz"]
)
def test_only_files_of_the_release_are_served(name: str) -> None:
    assert taxi_server.content_type(name) is None
