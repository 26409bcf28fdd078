"""Stores a month from the web in the bucket as parquet, by Orionbox's code and the course's."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from prefect_gcp.cloud_storage import GcsBucket

from dev.bench.inside.measured import WORK, main
from etl_web_to_gcs import web_to_gcs
from orionbox.orion.names import BUCKET
from orionbox.runs.report import Stopwatch
from orionbox.stores.clients import bucket
from orionbox.stores.parquet import read_footer
from orionbox.trips.months import TripFile


def ours(trips: TripFile, watch: Stopwatch) -> int:
    """Runs the task of the main job."""
    with watch.time(WORK):
        staged = web_to_gcs.fn(trips)
    for stage, seconds in staged.seconds.items():
        watch.add(stage, seconds)
    return rows_in_object(trips.object_name)


def course(trips: TripFile, watch: Stopwatch) -> int:
    """Runs the course's code: the whole month in pandas, parquet packed with gzip, upload by the block."""
    name = f"course/{trips.name}.parquet"
    with watch.time(WORK), TemporaryDirectory() as folder:
        df = pd.read_csv(trips.url())
        df["tpep_pickup_datetime"] = pd.to_datetime(df["tpep_pickup_datetime"])
        df["tpep_dropoff_datetime"] = pd.to_datetime(df["tpep_dropoff_datetime"])
        path = Path(folder, f"{trips.name}.parquet")
        df.to_parquet(path, compression="gzip")
        GcsBucket.load(BUCKET).upload_from_path(from_path=path, to_path=name)
    return rows_in_object(name)


def rows_in_object(name: str) -> int:
    """Returns the number of rows in the object's footer."""
    with bucket().blob(name).open("rb") as file:
        return read_footer(file).rows


if __name__ == "__main__":
    main({"ours": ours, "course": course})
