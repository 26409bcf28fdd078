"""Real stores, and in them a bucket, a dataset and a schema for each test alone."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.storage import Bucket, Client

from orionbox.stores.bigquery import create_tables
from tests.conftest import Checkout, running_platform
from tests.stores import bigquery_client, query_postgres


@pytest.fixture(scope="package")
def platform(has_real_data: bool) -> Iterator[Checkout]:
    """Starts a platform without Docker, in a folder whose name contains special characters.

    PostgreSQL does not accept a dollar sign in it, nor the BigQuery emulator a quote. Every user can reach the folder,
    as pytest's own cannot be: in one test the checkout belongs to a normal user.
    """
    with tempfile.TemporaryDirectory(prefix="orionbox-test-") as folder:
        Path(folder).chmod(0o755)
        with running_platform(Path(folder) / "orion box 100%", has_real_data, "embedded") as platform:
            yield platform


@dataclass
class Stores:
    """The stores that one test may write to."""

    postgres_uri: str
    bigquery: bigquery.Client
    dataset: str
    bucket: Bucket

    def put(self, name: str, content: bytes) -> str:
        """Stores an object; returns its `gs://` name."""
        self.bucket.blob(name).upload_from_string(content)
        return f"gs://{self.bucket.name}/{name}"


@pytest.fixture
def postgres_uri(platform: Checkout) -> Iterator[str]:
    """The address of a new schema on a running platform."""
    name, settings = f"test_{uuid.uuid4().hex}", platform.settings
    query_postgres(settings, f"CREATE SCHEMA {name}; SELECT 1")
    yield (
        f"postgresql://ny_taxi:{settings['WAREHOUSE_DB_PASSWORD']}@localhost:{settings['POSTGRES_PORT']}/ny_taxi"
        f"?options=-csearch_path%3D{name}"
    )
    query_postgres(settings, f"DROP SCHEMA {name} CASCADE; SELECT 1")


@pytest.fixture
def stores(platform: Checkout, postgres_uri: str) -> Iterator[Stores]:
    """A new bucket, and a dataset with the name of the new schema."""
    name, settings = postgres_uri.rpartition("%3D")[2], platform.settings
    storage: Any = Client(
        project="orionbox-local",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": f"http://localhost:{settings['GCS_PORT']}"},
    )
    with bigquery_client(settings) as client:
        client.create_dataset(name)
        create_tables(client, name)
        yield Stores(postgres_uri, client, name, storage.create_bucket(name.replace("_", "-")))
        client.delete_dataset(name, delete_contents=True)
    storage.close()
