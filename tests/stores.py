"""Queries the platform's stores from outside, as a user's own program does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gcsfs
import psycopg2
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

Settings = dict[str, str]


def query_postgres(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Returns the rows of one query on the warehouse."""
    connection = psycopg2.connect(
        host="localhost",
        port=settings["POSTGRES_PORT"],
        user="ny_taxi",
        password=settings["WAREHOUSE_DB_PASSWORD"],
        dbname="ny_taxi",
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())
    finally:
        connection.close()


@contextmanager
def bigquery_client(settings: Settings, project: str = "orionbox-local") -> Iterator[bigquery.Client]:
    """Opens a client of the BigQuery emulator."""
    client: Any = bigquery.Client(
        project=project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": f"http://localhost:{settings['BIGQUERY_PORT']}"},
    )
    yield client
    client.close()


def query_bigquery(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Returns the rows of one query on BigQuery."""
    with bigquery_client(settings) as client:
        return [tuple(row.values()) for row in client.query_and_wait(sql)]


def bucket_files(settings: Settings) -> gcsfs.GCSFileSystem:
    """Returns the objects in Cloud Storage as a file system."""
    endpoint = f"http://localhost:{settings['GCS_PORT']}"
    return gcsfs.GCSFileSystem(token="anon", endpoint_url=endpoint, skip_instance_cache=True)
