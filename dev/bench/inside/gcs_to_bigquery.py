"""Loads a month from the bucket into BigQuery, by Orionbox's code and the course's, from the same object."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from google.cloud.bigquery import LoadJobConfig
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket

from dev.bench.inside.measured import WORK, main
from etl_gcs_to_bq import find_in_gcs, gcs_to_bigquery
from orionbox.flow_settings import FlowSettings
from orionbox.orion.names import BUCKET, CREDENTIALS
from orionbox.runs.report import Stopwatch
from orionbox.stores.bigquery import count_month
from orionbox.stores.clients import bigquery_client
from orionbox.trips.months import TripFile

TABLE = "dezoomcamp.rides"
"""The course's table."""
CHUNK_ROWS = 500_000


def ours(trips: TripFile, watch: Stopwatch) -> int:
    """Runs the task of the main job."""
    settings, staged = FlowSettings.from_environment(), find_in_gcs.fn(trips)
    with watch.time(WORK):
        gcs_to_bigquery.fn(staged)
    return count_month(bigquery_client(settings.project), settings.dataset, trips)


def course(trips: TripFile, watch: Stopwatch) -> int:
    """Runs the course's code: download, pandas, to_gbq."""
    project = FlowSettings.from_environment().project
    client = bigquery_client(project)
    client.delete_table(f"{project}.{TABLE}", not_found_ok=True)
    with watch.time(WORK), TemporaryDirectory() as folder:
        GcsBucket.load(BUCKET).get_directory(from_path=trips.object_name, local_path=folder)
        df = pd.read_parquet(Path(folder, trips.object_name))
        df["passenger_count"] = df["passenger_count"].fillna(0)
        df.to_gbq(  # type: ignore[operator]  # gone from pandas' stubs, as from pandas 3
            destination_table=TABLE,
            project_id=project,
            credentials=GcpCredentials.load(CREDENTIALS[0]).get_credentials_from_service_account(),
            chunksize=CHUNK_ROWS,
            if_exists="append",
        )
    return int(next(iter(client.query_and_wait(f"SELECT count(*) FROM `{project}.{TABLE}`")))[0])


def load_job(trips: TripFile, watch: Stopwatch) -> int:
    """Runs only the first half of `ours`: a client from the block, and a load job into a table.

    `ours` then swaps the month in a transaction, and drops that table.
    """
    settings, staged = FlowSettings.from_environment(), find_in_gcs.fn(trips)
    table = f"{settings.project}.{settings.dataset}.loaded_only"
    with watch.time(WORK):
        with watch.time("client"):
            client = bigquery_client(settings.project)
        job = client.load_table_from_uri(staged.uri, table, job_config=LoadJobConfig(source_format="PARQUET"))
        job.result()
    client.delete_table(table)
    return int(job.output_rows)


if __name__ == "__main__":
    main({"ours": ours, "course": course, "load job": load_job})
