"""The bucket, the datasets and the tables."""

from __future__ import annotations

from google.api_core.exceptions import Conflict, Forbidden
from google.cloud.bigquery import Dataset
from google.cloud.storage import Bucket
from google.cloud.storage import Client as StorageClient
from prefect_gcp import GcpCredentials
from prefect_sqlalchemy import SqlAlchemyConnector

from orionbox.errors import BadInputError
from orionbox.flow_settings import COURSE_DATASET, FlowSettings
from orionbox.stores import bigquery, clients, postgres
from services.bootstrap.settings import log


def make_stores(credentials: GcpCredentials, connector: SqlAlchemyConnector, settings: FlowSettings) -> None:
    """The bucket, the datasets, and the trips' tables in both warehouses.

    Raises:
        BadInputError: Google does not let the account do that.
    """
    try:
        bucket = ensure_bucket(credentials.get_cloud_storage_client(project=settings.project), settings)
        client = credentials.get_bigquery_client(project=settings.project)
        for name in (settings.dataset, COURSE_DATASET):
            dataset = Dataset(f"{client.project}.{name}")
            dataset.location = bucket.location  # a load job wants both in one place
            client.create_dataset(dataset, exists_ok=True)
        bigquery.create_tables(client, settings.dataset)
        bigquery.drop_abandoned(client, settings.dataset)
    except Forbidden as error:
        raise BadInputError(f"Google says no: {error.message}; the roles that are needed: docs/cloud.md") from error
    postgres.create_tables(clients.uri_of(connector))
    log.info("tables in BigQuery and Postgres: there")


def ensure_bucket(client: StorageClient, settings: FlowSettings) -> Bucket:
    """The bucket. The emulator's is made where it is missing; at Google a bucket is its owner's to make, and to pay."""
    if settings.is_real_cloud:
        return client.get_bucket(settings.bucket)
    try:
        bucket = client.create_bucket(settings.bucket)
        log.info("bucket %s: made", settings.bucket)
    except Conflict:
        bucket = client.get_bucket(settings.bucket)
        log.info("bucket %s: there", settings.bucket)
    return bucket
