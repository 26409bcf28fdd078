"""The platform's Prefect blocks: their names, and the clients behind them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from google.cloud import bigquery
from google.cloud.storage import Bucket
from google.cloud.storage.fileio import BlobReader, BlobWriter
from prefect.runtime import flow_run
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket
from prefect_sqlalchemy import SqlAlchemyConnector

from orionbox.orion.names import BUCKET, CONTAINER, CREDENTIALS, POSTGRES, PROCESS, RESULTS

__all__ = ["BUCKET", "CONTAINER", "CREDENTIALS", "POSTGRES", "PROCESS", "RESULTS"]

PIECE_BYTES = 8 << 20
"""What is fetched of an object at a time, or sent."""


def _block(kind: Any, name: str) -> Any:
    """A block as it was when the flow run asked for it first; outside of runs, as it is now."""
    return _of_run(kind, name, flow_run.id) if flow_run.id else kind.load(name)


@lru_cache
def _of_run(kind: Any, name: str, run: str) -> Any:
    # To ask Orion takes a tenth of a second, and every task asks
    return kind.load(name)


def postgres_uri() -> str:
    """The warehouse's address with user and password, as libpq takes it."""
    return uri_of(_block(SqlAlchemyConnector, POSTGRES))


def uri_of(connector: SqlAlchemyConnector) -> str:
    """The address behind a connector block."""
    url = connector.connection_info.create_url().set(drivername="postgresql")
    return str(url.render_as_string(hide_password=False))


def bucket() -> Bucket:
    """The bucket of the parquet files."""
    found: Bucket = _block(GcsBucket, BUCKET).get_bucket()
    return found


def open_object(name: str) -> BlobReader:
    """An object of the bucket, opened for reading; a piece at a time is fetched and in memory."""
    return bucket().blob(name).open("rb", chunk_size=PIECE_BYTES)


def new_object(target: Bucket, name: str) -> BlobWriter:
    """An object, opened for writing by `with`: it appears, or replaces the old one, when that ends without an error."""
    return target.blob(name).open("wb", chunk_size=PIECE_BYTES, timeout=120)


def bigquery_client(project: str) -> bigquery.Client:
    """BigQuery, billed to `project`."""
    client: bigquery.Client = _block(GcpCredentials, CREDENTIALS[0]).get_bigquery_client(project=project)
    return client
