"""The warehouse in BigQuery: a table for each colour; a month's rows bear the name of their source file."""

from __future__ import annotations

from uuid import uuid4

from google.cloud import bigquery

from orionbox.schema import SOURCE_FILE, TRIPS, bigquery_columns
from orionbox.trips import TripFile, table_name


def create_tables(client: bigquery.Client, dataset: str) -> None:
    """Makes the tables of all colours where they are missing."""
    for color, schema in TRIPS.items():
        columns = [*bigquery_columns(schema), {"name": SOURCE_FILE, "type": "STRING", "mode": "REQUIRED"}]
        fields = [bigquery.SchemaField.from_api_repr(column) for column in columns]
        table = bigquery.Table(f"{client.project}.{dataset}.{table_name(color)}", schema=fields)
        client.create_table(table, exists_ok=True)


def replace_month(client: bigquery.Client, dataset: str, trips: TripFile, uri: str) -> int:
    """Puts the rows of a parquet object in place of the month's, in one transaction.

    Args:
        client: BigQuery.
        dataset: the tables' dataset, in the client's project.
        trips: the month; its source file's name is the key.
        uri: `gs://bucket/name` of the parquet object.

    Returns:
        The number of rows loaded.
    """
    staging = f"{client.project}.{dataset}.loading_{trips.color}_{uuid4().hex}"
    try:
        rows = _load(client, staging, trips, uri)
        client.query_and_wait(_swap(f"{client.project}.{dataset}.{trips.table}", staging, trips))
    finally:
        client.delete_table(staging, not_found_ok=True)
    return rows


def _load(client: bigquery.Client, table: str, trips: TripFile, uri: str) -> int:
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        schema=[bigquery.SchemaField.from_api_repr(column) for column in bigquery_columns(TRIPS[trips.color])],
    )
    job = client.load_table_from_uri(uri, table, job_config=config)
    job.result()
    return int(job.output_rows)


def _swap(table: str, staging: str, trips: TripFile) -> str:
    columns = ", ".join(TRIPS[trips.color].names)
    return f"""
        BEGIN TRANSACTION;
        DELETE FROM `{table}` WHERE {SOURCE_FILE} = '{trips.csv_name}';
        INSERT INTO `{table}` ({columns}, {SOURCE_FILE}) SELECT {columns}, '{trips.csv_name}' FROM `{staging}`;
        COMMIT TRANSACTION;
    """


def count_month(client: bigquery.Client, dataset: str, trips: TripFile) -> int:
    """The month's rows in the warehouse."""
    table = f"{client.project}.{dataset}.{trips.table}"
    rows = client.query_and_wait(f"SELECT count(*) FROM `{table}` WHERE {SOURCE_FILE} = '{trips.csv_name}'")
    return int(next(iter(rows))[0])
