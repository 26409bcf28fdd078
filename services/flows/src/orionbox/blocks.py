"""The platform's Prefect blocks: their names, and the clients behind them."""

from __future__ import annotations

from google.cloud import bigquery
from google.cloud.storage import Bucket
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket
from prefect_sqlalchemy import SqlAlchemyConnector

POSTGRES = "postgres-connector"
CREDENTIALS = ("zoom-gcp-creds", "doc-gcp-creds")
BUCKET = "zoom-gcs"
CONTAINER = ("zoom", "dtc")
"""Two names where the course's videos and its written notes differ; one definition."""

PROCESS = "agent"
"""A process of the agent's own container."""


def postgres_uri() -> str:
    """The warehouse's address with user and password, as libpq takes it."""
    return uri_of(SqlAlchemyConnector.load(POSTGRES))


def uri_of(connector: SqlAlchemyConnector) -> str:
    """The address behind a connector block."""
    url = connector.connection_info.create_url().set(drivername="postgresql")
    return str(url.render_as_string(hide_password=False))


def bucket() -> Bucket:
    """The bucket of the parquet files."""
    return GcsBucket.load(BUCKET).get_bucket()


def bigquery_client(project: str) -> bigquery.Client:
    """BigQuery, billed to `project`."""
    client: bigquery.Client = GcpCredentials.load(CREDENTIALS[0]).get_bigquery_client(project=project)
    return client
