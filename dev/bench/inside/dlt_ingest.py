"""Loads a month from the web into Postgres by dlt: `python -m dev.bench.inside.dlt_ingest URL FORMAT`.

Runs in the virtual environment of the other tools. The format is that of dlt's own files: `csv`, loaded by COPY, is the
fastest of `dlt[postgres]`; if an ADBC driver is installed, dlt loads `parquet` too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import dlt
import pyarrow as pa
import pyarrow.csv

from dev.bench.inside.tables import count_and_drop

DATASET = "dlt_trips"


@dlt.resource(name="trips", write_disposition="replace")
def trips(url: str) -> Iterator[pa.Table]:
    """Yields the rows as Arrow tables, which dlt accepts unchanged."""
    with urlopen(url) as response, pa.CompressedInputStream(response, "gzip") as stream:
        for batch in pyarrow.csv.open_csv(stream):
            yield pa.Table.from_batches([batch])


def load(url: str, file_format: str, warehouse: str) -> float:
    """Runs dlt's pipeline; returns its seconds."""
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        pipeline = dlt.pipeline(
            "bench", destination=dlt.destinations.postgres(warehouse), dataset_name=DATASET, pipelines_dir=folder
        )
        pipeline.run(trips(url), loader_file_format=file_format).raise_on_failed_jobs()
        return time.perf_counter() - start


if __name__ == "__main__":
    seconds = load(sys.argv[1], sys.argv[2], os.environ["WAREHOUSE"])
    rows = count_and_drop(os.environ["WAREHOUSE"], f"{DATASET}.trips", f"SCHEMA {DATASET} CASCADE")
    print(json.dumps({"seconds": seconds, "rows": rows}))
