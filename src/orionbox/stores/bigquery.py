"""The warehouse in BigQuery: one table per color. Each row names its source file, and so its month."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from google.api_core.exceptions import GoogleAPIError
from google.api_core.retry import Retry
from google.cloud import bigquery

from orionbox.errors import IncompleteRunError
from orionbox.stores import staging_tables
from orionbox.trips.months import TripFile, table_name
from orionbox.trips.schema import COLUMNS, SOURCE_FILE, bigquery_columns

ABANDONED = timedelta(days=1)
"""A staging table that is older is abandoned: Google ends a load job after 6 hours."""
CONFLICT = "aborted due to concurrent update"
"""Google's message when it ends one of two transactions that change the same table
(https://cloud.google.com/bigquery/docs/transactions, "Transaction concurrency"). Two months that are loaded side by
side do so. The emulator makes one wait for the other."""


def is_conflict(error: Exception) -> bool:
    """Returns whether the transaction was rolled back because of another one, and may be tried again."""
    return isinstance(error, GoogleAPIError) and CONFLICT in str(error)


TRY_AGAIN = Retry(predicate=is_conflict, initial=1.0, maximum=20.0, timeout=600.0)
"""In seconds. The pauses have random lengths, so that two loads do not collide again and again."""


def create_tables(client: bigquery.Client, dataset: str) -> None:
    """Creates the tables of all colors that do not exist."""
    for color, trip_columns in COLUMNS.items():
        columns = [*bigquery_columns(trip_columns), {"name": SOURCE_FILE, "type": "STRING", "mode": "REQUIRED"}]
        fields = [bigquery.SchemaField.from_api_repr(column) for column in columns]
        table = bigquery.Table(f"{client.project}.{dataset}.{table_name(color)}", schema=fields)
        client.create_table(table, exists_ok=True)


def replace_month(
    client: bigquery.Client, dataset: str, trips: TripFile, uri: str, rows: int, run_id: str | None = None
) -> None:
    """Replaces the month's rows with those of a parquet object, in one transaction.

    Args:
        client: BigQuery.
        dataset: the dataset of the tables, in the client's project.
        trips: the month; its source file's name is the key.
        uri: `gs://bucket/name` of the parquet object.
        rows: how many rows it has.
        run_id: the id of the flow run, by which the sweeper finds the staging table of a killed load.

    Raises:
        IncompleteRunError: BigQuery loaded a different number of rows; the month is unchanged.
    """
    staging = f"{client.project}.{dataset}.{staging_tables.new_name(trips.color, run_id)}"
    try:
        loaded = _load(client, staging, trips, uri)
        if loaded != rows:
            raise IncompleteRunError(f"{uri}: has {rows:,} rows, but BigQuery loaded {loaded:,}", "run it again")
        TRY_AGAIN(client.query_and_wait)(_swap_sql(f"{client.project}.{dataset}.{trips.table}", staging, trips))
    finally:
        client.delete_table(staging, not_found_ok=True)


def drop_abandoned(client: bigquery.Client, dataset: str) -> None:
    """Deletes the staging tables of killed loads."""
    for table in client.list_tables(f"{client.project}.{dataset}"):
        if (
            table.table_id.startswith(staging_tables.PREFIX)
            and table.created
            and table.created < datetime.now(timezone.utc) - ABANDONED
        ):
            client.delete_table(table, not_found_ok=True)


def _load(client: bigquery.Client, table: str, trips: TripFile, uri: str) -> int:
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        schema=[bigquery.SchemaField.from_api_repr(column) for column in bigquery_columns(COLUMNS[trips.color])],
    )
    job = client.load_table_from_uri(uri, table, job_config=config)
    job.result()
    return int(job.output_rows)


def _swap_sql(table: str, staging: str, trips: TripFile) -> str:
    columns = ", ".join(COLUMNS[trips.color])
    return f"""
        BEGIN TRANSACTION;
        DELETE FROM `{table}` WHERE {SOURCE_FILE} = '{trips.csv_name}';
        INSERT INTO `{table}` ({columns}, {SOURCE_FILE}) SELECT {columns}, '{trips.csv_name}' FROM `{staging}`;
        COMMIT TRANSACTION;
    """


def count_month(client: bigquery.Client, dataset: str, trips: TripFile) -> int:
    """Returns the number of the month's rows in the warehouse."""
    table = f"{client.project}.{dataset}.{trips.table}"
    rows = client.query_and_wait(f"SELECT count(*) FROM `{table}` WHERE {SOURCE_FILE} = '{trips.csv_name}'")
    return int(next(iter(rows))[0])
