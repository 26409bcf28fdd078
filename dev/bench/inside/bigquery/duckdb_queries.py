"""Runs the queries on DuckDB alone; in the virtual environment of the other tools, which has the server's version.

Prints one JSON object: the seconds of each round by query.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from dev.bench.inside.bigquery.statements import DUCKDB, QUERIES, ROUNDS, TABLE


def main() -> None:
    """Measure all queries, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in QUERIES}
    with TemporaryDirectory() as folder, duckdb.connect(str(Path(folder, "queries.duckdb"))) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(DUCKDB)
        for _ in range(ROUNDS):
            for name, (_, sql) in QUERIES.items():
                start = time.perf_counter()
                database.execute(sql.format(table=TABLE)).fetchall()
                seconds[name].append(time.perf_counter() - start)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
