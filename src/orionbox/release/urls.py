"""The addresses at which the taxi files are published: the course's release, and the TLC's own servers.

Only the path matters, because one server answers for all of these hosts:

    github.com/DataTalksClub/nyc-tlc-data/releases/download/green/green_tripdata_2021-01.csv.gz
    d37ci6vzurychx.cloudfront.net/trip-data/green_tripdata_2021-01.parquet, and /misc/taxi+_zone_lookup.csv
    s3.amazonaws.com/nyc-tlc/trip+data/green_tripdata_2021-01.csv, the TLC's address until 2022
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from orionbox.trips.months import RELEASE_PATH
from orionbox.trips.row_counts import Month

CSV_GZ, CSV, PARQUET = "csv.gz", "csv", "parquet"
"""The forms in which a month is published."""
TYPES = {CSV_GZ: "application/gzip", CSV: "text/csv", PARQUET: "application/vnd.apache.parquet"}
"""As such: with Content-Encoding a client would decompress a .gz on the way."""

_MONTH = r"(?P<color>[a-z]+)_tripdata_(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})"
_OF_RELEASE = re.compile(rf"/{RELEASE_PATH}/(?P<folder>[a-z]+)/{_MONTH}\.(?P<form>csv\.gz)")
_OF_TLC = re.compile(rf"/(?:nyc-tlc/)?trip[-+ ]data/{_MONTH}\.(?P<form>csv|parquet)")
_OTHER = re.compile(rf"/(?:{RELEASE_PATH}/|nyc-tlc/)?misc/(?P<name>[a-z][a-z_+ ]*\.csv)")
_SOURCES = f"/{RELEASE_PATH}/sources.json"


@dataclass(frozen=True)
class Request:
    """What a URL asks for: a month, or another file."""

    name: str
    """The file below `data/`."""
    content_type: str
    month: Month | None = None
    form: str = ""
    """Of a month: `csv.gz`, `csv` or `parquet`."""
    is_of_tlc: bool = False
    """Whether the TLC's own server is asked, which has more months than the course's release."""


def parse(path: str) -> Request | None:
    """Returns what a URL's path asks for; None if no such file is ever published.

    Every name is matched completely, so neither hidden files nor `..` can be asked for.
    """
    path = unquote(path)
    if found := _OF_RELEASE.fullmatch(path) or _OF_TLC.fullmatch(path):
        color, form = found["color"], found["form"]
        if found.groupdict().get("folder", color) != color:
            return None
        file = f"{color}/{color}_tripdata_{found['year']}-{found['month']}.{form}"
        is_of_tlc = found.re is _OF_TLC
        return Request(file, TYPES[form], Month(color, int(found["year"]), int(found["month"])), form, is_of_tlc)
    if found := _OTHER.fullmatch(path):
        return Request(f"misc/{found['name'].replace(' ', '+')}", "text/csv")
    return Request("sources.json", "application/json") if path == _SOURCES else None
