"""Counts the rows of a month's file as it is served, by nothing but Python's own gzip and csv."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from urllib.request import urlopen

from orionbox.trips.months import TripFile


def count(trips: TripFile) -> dict[str, int]:
    """All rows, and those that the course keeps: where passengers are counted, there are some."""
    with urlopen(trips.url()) as response, gzip.open(response) as stream:
        rows = csv.DictReader(io.TextIOWrapper(stream, "utf-8"))
        passengers = [row["passenger_count"] for row in rows]
    kept = [number for number in passengers if not number or float(number)]
    return {"rows": len(passengers), "course": len(kept)}


if __name__ == "__main__":
    color, year, month = sys.argv[1:]
    print(json.dumps(count(TripFile(color, int(year), int(month)))))
