"""One server in this process for all tests of this folder, and a dataset for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.cloud import bigquery

from tests.bigquery_server import Server, running_server


@dataclass(frozen=True)
class Warehouse:
    """A client with a dataset of its own."""

    server: Server
    client: Any
    dataset: str

    def rows(self, sql: str, **options: Any) -> list[tuple[Any, ...]]:
        """The rows of a query, in which `d` is the dataset."""
        config = bigquery.QueryJobConfig(default_dataset=f"{self.client.project}.{self.dataset}")
        found = self.client.query_and_wait(sql, job_config=config, retry=None, job_retry=None, **options)
        return [tuple(row.values()) for row in found]

    def get(self, path: str) -> dict[str, Any]:
        """The answer to a GET of the REST API, below the project."""
        found: dict[str, Any] = self.client._connection.api_request(
            method="GET", path=f"/projects/{self.client.project}{path}"
        )
        return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("bigquery")) as server:
        yield server


@pytest.fixture
def warehouse(server: Server) -> Iterator[Warehouse]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with server.client() as client:
        client.create_dataset(name)
        yield Warehouse(server, client, name)
        client.delete_dataset(name, delete_contents=True)
