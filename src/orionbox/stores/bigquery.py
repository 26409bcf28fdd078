"""The warehouse in BigQuery: one table per color. Each row names its source file, and so its month."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from google.api_core.exceptions import GoogleAPIError, NotFound
from google.api_core.retry import Retry
from google.cloud import bigquery

from orionbox.errors import IncompleteRunError
from orionbox.stores import staging_tables
from orionbox.trips import kinds
from orionbox.trips.months import TripFile, table_name
from orionbox.trips.schema import COLUMNS, SOURCE_FILE, bigquery_columns

LOADED_MONTHS = "loaded_months"
"""The table that records the kind of each loaded month: BigQuery has no place for that in the rows' own table."""
LOADED_MONTHS_FIELDS = [bigquery.SchemaField(name, "STRING", mode="REQUIRED") for name in (SOURCE_FILE, "kind")]
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
    """Creates the tables of all colors, and the record of loaded months, if they do not exist."""
    client.create_table(_loaded_months(client, dataset), exists_ok=True)
    for color, trip_columns in COLUMNS.items():
        columns = [*bigquery_columns(trip_columns), {"name": SOURCE_FILE, "type": "STRING", "mode": "REQUIRED"}]
        fields = [bigquery.SchemaField.from_api_repr(column) for column in columns]
        table = bigquery.Table(f"{client.project}.{dataset}.{table_name(color)}", schema=fields)
        client.create_table(table, exists_ok=True)


def _loaded_months(client: bigquery.Client, dataset: str) -> bigquery.Table:
    return bigquery.Table(f"{client.project}.{dataset}.{LOADED_MONTHS}", schema=LOADED_MONTHS_FIELDS)


def replace_month(  # noqa: PLR0913  # what is loaded, where, and on whose behalf
    client: bigquery.Client,
    dataset: str,
    trips: TripFile,
    uri: str,
    rows: int,
    kind: str,
    force: bool = False,
    run_id: str | None = None,
) -> None:
    """Replaces the month's rows with those of a parquet object, in one transaction.

    Args:
        client: BigQuery.
        dataset: the dataset of the tables, in the client's project.
        trips: the month; its source file's name is the key.
        uri: `gs://bucket/name` of the parquet object.
        rows: how many rows it has.
        kind: the kind of its data; table `loaded_months` records it.
        force: whether a month of a higher rank may be replaced.
        run_id: the id of the flow run, by which the sweeper finds the staging table of a killed load.

    Raises:
        BadInputError: the stored month has a higher rank.
        IncompleteRunError: BigQuery loaded a different number of rows; the month is unchanged.
    """
    store = f"BigQuery {dataset}.{trips.table}"
    kinds.require_replaceable(store, trips, _stored_kind(client, dataset, trips), kind, force)
    staging = f"{client.project}.{dataset}.{staging_tables.new_name(trips.color, run_id)}"
    try:
        loaded = _load(client, staging, trips, uri)
        if loaded != rows:
            raise IncompleteRunError(f"{uri}: has {rows:,} rows, but BigQuery loaded {loaded:,}", "run it again")
        TRY_AGAIN(client.query_and_wait)(_swap_sql(f"{client.project}.{dataset}", staging, trips, kind))
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


def _stored_kind(client: bigquery.Client, dataset: str, trips: TripFile) -> str | None:
    """Returns the kind of the stored month; None if there is none. Creates the record if it does not exist."""
    table = _loaded_months(client, dataset)
    try:
        found = client.query_and_wait(f"SELECT kind FROM `{table}` WHERE {SOURCE_FILE} = '{trips.csv_name}'")
        recorded = [row.kind for row in found if row.kind in kinds.KINDS]
    except NotFound:  # a backup of version 0.2.0 has been restored, or the user has deleted it
        client.create_table(table, exists_ok=True)
        recorded = []
    rows = count_month(client, dataset, trips)
    return (recorded or [kinds.kind_without_record(trips, rows)])[0] if rows else None


def _swap_sql(dataset: str, staging: str, trips: TripFile, kind: str) -> str:
    columns, table = ", ".join(COLUMNS[trips.color]), f"{dataset}.{trips.table}"
    return f"""
        BEGIN TRANSACTION;
        DELETE FROM `{table}` WHERE {SOURCE_FILE} = '{trips.csv_name}';
        INSERT INTO `{table}` ({columns}, {SOURCE_FILE}) SELECT {columns}, '{trips.csv_name}' FROM `{staging}`;
        DELETE FROM `{dataset}.{LOADED_MONTHS}` WHERE {SOURCE_FILE} = '{trips.csv_name}';
        INSERT INTO `{dataset}.{LOADED_MONTHS}` ({SOURCE_FILE}, kind) VALUES ('{trips.csv_name}', '{kind}');
        COMMIT TRANSACTION;
    """


def count_month(client: bigquery.Client, dataset: str, trips: TripFile) -> int:
    """Returns the number of the month's rows in the warehouse."""
    table = f"{client.project}.{dataset}.{trips.table}"
    rows = client.query_and_wait(f"SELECT count(*) FROM `{table}` WHERE {SOURCE_FILE} = '{trips.csv_name}'")
    return int(next(iter(rows))[0])
