"""The warehouse in BigQuery: a table for each colour; a month's rows bear the name of their source file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.api_core.exceptions import GoogleAPIError
from google.api_core.retry import Retry
from google.cloud import bigquery

from orionbox.errors import IncompleteRunError
from orionbox.stores import staging_tables
from orionbox.trips.months import TripFile, table_name
from orionbox.trips.schema import SOURCE_FILE, TRIPS, bigquery_columns

ABANDONED = timedelta(days=1)
"""How old a table for loading must be for nobody to load into it any more; a load job of Google's ends in 6 hours."""
CONFLICT = "aborted due to concurrent update"
"""How Google's BigQuery ends one of two transactions that change the same table, as two months' do that are loaded side
by side (https://cloud.google.com/bigquery/docs/transactions, "Transaction concurrency"). The emulator lets it wait."""


def is_conflict(error: Exception) -> bool:
    """Whether the transaction was undone for another one's sake, and may be tried again."""
    return isinstance(error, GoogleAPIError) and CONFLICT in str(error)


TRY_AGAIN = Retry(predicate=is_conflict, initial=1.0, maximum=20.0, timeout=600.0)
"""Seconds; the pauses are of random length, so two do not meet again and again."""


def create_tables(client: bigquery.Client, dataset: str) -> None:
    """Makes the tables of all colours where they are missing."""
    for color, schema in TRIPS.items():
        columns = [*bigquery_columns(schema), {"name": SOURCE_FILE, "type": "STRING", "mode": "REQUIRED"}]
        fields = [bigquery.SchemaField.from_api_repr(column) for column in columns]
        table = bigquery.Table(f"{client.project}.{dataset}.{table_name(color)}", schema=fields)
        client.create_table(table, exists_ok=True)


def replace_month(
    client: bigquery.Client, dataset: str, trips: TripFile, uri: str, rows: int, run_id: str | None = None
) -> None:
    """Puts the rows of a parquet object in place of the month's, in one transaction.

    Args:
        client: BigQuery.
        dataset: the tables' dataset, in the client's project.
        trips: the month; its source file's name is the key.
        uri: `gs://bucket/name` of the parquet object.
        rows: how many it has.
        run_id: the flow run's, by which the sweeper knows what a killed load has left behind.

    Raises:
        IncompleteRunError: BigQuery has read another number of rows; the month is as it was.
    """
    fresh = f"{client.project}.{dataset}.{staging_tables.new_name(trips.color, run_id)}"
    try:
        loaded = _load(client, fresh, trips, uri)
        if loaded != rows:
            raise IncompleteRunError(f"{uri}: has {rows:,} rows, of which BigQuery loaded {loaded:,}; run it again")
        TRY_AGAIN(client.query_and_wait)(_swap(f"{client.project}.{dataset}.{trips.table}", fresh, trips))
    finally:
        client.delete_table(fresh, not_found_ok=True)


def drop_abandoned(client: bigquery.Client, dataset: str) -> None:
    """Deletes tables in which a month was to wait, and which a load that was killed has left behind."""
    for table in client.list_tables(f"{client.project}.{dataset}"):
        if (
            table.table_id.startswith(staging_tables.PREFIX)
            and table.created
            and table.created < datetime.now(UTC) - ABANDONED
        ):
            client.delete_table(table, not_found_ok=True)


def _load(client: bigquery.Client, table: str, trips: TripFile, uri: str) -> int:
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        schema=[bigquery.SchemaField.from_api_repr(column) for column in bigquery_columns(TRIPS[trips.color])],
    )
    job = client.load_table_from_uri(uri, table, job_config=config)
    job.result()
    return int(job.output_rows)


def _swap(table: str, fresh: str, trips: TripFile) -> str:
    columns = ", ".join(TRIPS[trips.color].names)
    return f"""
        BEGIN TRANSACTION;
        DELETE FROM `{table}` WHERE {SOURCE_FILE} = '{trips.csv_name}';
        INSERT INTO `{table}` ({columns}, {SOURCE_FILE}) SELECT {columns}, '{trips.csv_name}' FROM `{fresh}`;
        COMMIT TRANSACTION;
    """


def count_month(client: bigquery.Client, dataset: str, trips: TripFile) -> int:
    """The month's rows in the warehouse."""
    table = f"{client.project}.{dataset}.{trips.table}"
    rows = client.query_and_wait(f"SELECT count(*) FROM `{table}` WHERE {SOURCE_FILE} = '{trips.csv_name}'")
    return int(next(iter(rows))[0])
