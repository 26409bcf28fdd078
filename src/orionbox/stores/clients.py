"""The clients of the stores.

Those of Google use Application Default Credentials and the bucket in the environment, not the course's blocks: students
are told to overwrite these.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from google.cloud import bigquery
from google.cloud.storage import Bucket, Client
from google.cloud.storage.fileio import BlobReader, BlobWriter
from prefect.runtime import flow_run
from prefect_sqlalchemy import SqlAlchemyConnector

from orionbox.flow_settings import FlowSettings
from orionbox.orion.names import WAREHOUSE

PIECE_BYTES = 8 << 20
"""How much of an object is fetched or sent at a time."""


def _block(block_type: Any, name: str) -> Any:
    """Loads a block; a flow run loads it once and keeps it."""
    return _block_of_run(block_type, name, flow_run.id) if flow_run.id else block_type.load(name)


@lru_cache
def _block_of_run(block_type: Any, name: str, run: str) -> Any:
    # A load takes 0.1 s, and every task needs the block
    return block_type.load(name)


def postgres_uri() -> str:
    """Returns the warehouse's address with user and password, as libpq takes it."""
    return uri_of(_block(SqlAlchemyConnector, WAREHOUSE))


def uri_of(connector: SqlAlchemyConnector) -> str:
    """Returns the address in a connector block."""
    url = connector.connection_info.create_url().set(drivername="postgresql")
    return str(url.render_as_string(hide_password=False))


def bucket() -> Bucket:
    """Returns the bucket of the parquet files."""
    settings = FlowSettings.from_environment()
    return Client(project=settings.project).bucket(settings.bucket)


def open_object(name: str) -> BlobReader:
    """Opens an object of the bucket for reading; one piece at a time is fetched and in memory."""
    return bucket().blob(name).open("rb", chunk_size=PIECE_BYTES)


def new_object(target: Bucket, name: str) -> BlobWriter:
    """Opens an object for writing by `with`; it replaces the old one if the block ends without an error."""
    return target.blob(name).open("wb", chunk_size=PIECE_BYTES, timeout=120)


def bigquery_client(project: str) -> bigquery.Client:
    """Returns a client of BigQuery that bills `project`."""
    return bigquery.Client(project=project)
