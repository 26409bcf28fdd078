"""Loads a parquet file into a table of DuckDB alone: `python -m dev.bench.inside.duckdb_limit OBJECT`.

DuckDB is the engine of the BigQuery emulator. Runs in the virtual environment of the other tools, whose DuckDB has the
emulator's version, and reads the file from the bucket's volume.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

BUCKETS = Path("/var/lib/gcs/.cloudstorage")


def create_table(parquet: Path, folder: Path) -> tuple[float, int]:
    """Creates the table in a database file; returns the seconds until it is on disk, and its rows."""
    start = time.perf_counter()
    with duckdb.connect(str(folder / "limit.duckdb")) as database:
        database.execute(f"CREATE TABLE trips AS SELECT * FROM read_parquet('{parquet}')")
    seconds = time.perf_counter() - start
    with duckdb.connect(str(folder / "limit.duckdb"), read_only=True) as database:
        return seconds, int(database.execute("SELECT count(*) FROM trips").fetchall()[0][0])


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        seconds, rows = create_table(BUCKETS / sys.argv[1], Path(folder))
    print(json.dumps({"seconds": seconds, "rows": rows}))
