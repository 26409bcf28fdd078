"""Counts the rows of a month's file as it is served, with Python's gzip and csv alone."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from urllib.request import urlopen

from orionbox.trips.months import TripFile


def count(trips: TripFile) -> dict[str, int]:
    """Returns the number of all rows, and of those that the course keeps: without the trips of 0 passengers."""
    with urlopen(trips.url()) as response, gzip.open(response) as stream:
        rows = csv.DictReader(io.TextIOWrapper(stream, "utf-8"))
        passengers = [row["passenger_count"] for row in rows]
    with_passengers = [number for number in passengers if not number or float(number)]
    return {"rows": len(passengers), "course": len(with_passengers)}


if __name__ == "__main__":
    color, year, month = sys.argv[1:]
    print(json.dumps(count(TripFile(color, int(year), int(month)))))
