"""Creates the bucket, the datasets and the tables."""

from __future__ import annotations

from google.api_core.exceptions import Conflict, Forbidden
from google.cloud.bigquery import Dataset
from google.cloud.storage import Bucket
from google.cloud.storage import Client as StorageClient
from prefect.logging import get_logger
from prefect_gcp import GcpCredentials
from prefect_sqlalchemy import SqlAlchemyConnector

from orionbox.errors import BadInputError
from orionbox.flow_settings import COURSE_DATASET, FlowSettings
from orionbox.stores import bigquery, clients, postgres

log = get_logger("bootstrap")


def create_stores(credentials: GcpCredentials, connector: SqlAlchemyConnector, settings: FlowSettings) -> None:
    """Creates the bucket, the datasets, and the trips' tables in BigQuery and Postgres.

    Raises:
        BadInputError: Google refuses the account access to one of them.
    """
    try:
        bucket = ensure_bucket(credentials.get_cloud_storage_client(project=settings.project), settings)
        client = credentials.get_bigquery_client(project=settings.project)
        for name in (settings.dataset, COURSE_DATASET):
            dataset = Dataset(f"{client.project}.{name}")
            dataset.location = bucket.location  # a load job needs both in one location
            client.create_dataset(dataset, exists_ok=True)
        bigquery.create_tables(client, settings.dataset)
        bigquery.drop_abandoned(client, settings.dataset)
    except Forbidden as error:
        raise BadInputError(f"Google refused access: {error.message}", "needed roles: docs/cloud.md") from error
    # A student may have set another one
    postgres.create_tables(f"{clients.uri_of(connector)}?options=-c%20statement_timeout%3D0")
    log.info("tables in BigQuery and Postgres: ready")


def ensure_bucket(client: StorageClient, settings: FlowSettings) -> Bucket:
    """Returns the bucket; creates it if the emulator has none. With CLOUD=gcp the user creates it."""
    if settings.is_real_cloud:
        return client.get_bucket(settings.bucket)
    try:
        bucket = client.create_bucket(settings.bucket)
        log.info("bucket %s: created", settings.bucket)
    except Conflict:
        bucket = client.get_bucket(settings.bucket)
        log.info("bucket %s: unchanged", settings.bucket)
    return bucket
