"""Makes the platform ready, once or again: bucket, tables, block types, blocks and deployments.

Everything here is idempotent; what is as it should be already is left alone. It runs in the flows' folder, against
services that have started.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from google.api_core.exceptions import Conflict, Forbidden
from google.cloud.bigquery import Dataset
from google.cloud.storage import Bucket
from google.cloud.storage import Client as StorageClient
from prefect import Flow, get_client
from prefect._internal.compatibility.deprecated import PrefectDeprecationWarning
from prefect.blocks.core import Block
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.deployments import Deployment
from prefect.exceptions import ObjectNotFound
from prefect.infrastructure import Process
from prefect.infrastructure.container import DockerContainer
from prefect.logging import get_logger
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver

from orionbox import bigquery, blocks, postgres
from orionbox.cluster import KEEP_RESULTS
from orionbox.errors import BadInputError
from orionbox.settings import COURSE_DATASET, VARIABLES, Settings

log = get_logger("bootstrap")

BLOCK_COLLECTIONS = ("prefect_gcp", "prefect_sqlalchemy")
WORKSPACE = "workspace"
"""The folder of the student's own code."""
FORWARDED = (
    "ORION_API_URL",
    "STORAGE_EMULATOR_HOST",
    "BIGQUERY_EMULATOR_HOST",
    "DASK_DISTRIBUTED__DASHBOARD__LINK",
    *VARIABLES.values(),
)
"""What a run container is told of its surroundings; Prefect adds its own `PREFECT_*` settings."""


@dataclass(frozen=True)
class Platform:
    """What the bootstrap is told of its surroundings."""

    warehouse_password: str
    warehouse_host: str
    warehouse_port: int
    service_account: dict[str, str]
    image: str
    network: str
    volumes: list[str]
    environment: dict[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Platform:
        """Reads the variables that compose/prefect.yaml sets for this service."""
        return cls(
            warehouse_password=environment["WAREHOUSE_DB_PASSWORD"],
            warehouse_host=environment["WAREHOUSE_HOST"],
            warehouse_port=int(environment["WAREHOUSE_PORT"]),
            service_account=json.loads(Path(environment["GCP_KEY_FILE"]).read_text()),
            image=environment["RUN_IMAGE"],
            network=environment["RUN_NETWORK"],
            volumes=environment["RUN_VOLUMES"].splitlines(),
            environment={name: environment[name] for name in FORWARDED if name in environment},
        )


def make_stores(credentials: GcpCredentials, connector: SqlAlchemyConnector, settings: Settings) -> None:
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
    postgres.create_tables(blocks.uri_of(connector))
    log.info("tables in BigQuery and Postgres: there")


def ensure_bucket(client: StorageClient, settings: Settings) -> Bucket:
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


async def register_block_types() -> None:
    """Makes the collections' block types visible in the UI, as `prefect block register -m` does."""
    async with get_client() as client:
        known = {kind.slug for kind in await client.read_block_types()}
    for name in BLOCK_COLLECTIONS:
        for _, kind in inspect.getmembers(importlib.import_module(name), _is_block):
            if kind.get_block_type_slug() not in known:
                await kind.register_type_and_schema()
                log.info("block type %s: registered", kind.get_block_type_slug())


def _is_block(member: Any) -> bool:
    return inspect.isclass(member) and issubclass(member, Block) and member is not Block


def save(block: Block, name: str) -> None:
    """Saves the block, unless there is just such a one."""
    slug = f"{block.get_block_type_slug()}/{name}"
    try:
        if _content(type(block).load(name)) == _content(block):
            log.info("block %s: there", slug)
            return
    except ValueError:  # no such block
        pass
    document = block.save(name, overwrite=True)
    asyncio.run(_drop_rendered_url(document))
    log.info("block %s: saved", slug)


def _content(block: Block) -> dict[str, Any]:
    """The block's own fields, without what Prefect notes beside them."""
    values = {name: getattr(block, name) for name in type(block).__fields__}
    return {name: _content(value) if isinstance(value, Block) else value for name, value in values.items()}


async def _drop_rendered_url(document_id: UUID) -> None:
    """Takes a connector's address, password and all, out of the stored block: it is made anew at each load.

    prefect-sqlalchemy 0.4 stores it among the fields that are shown in clear text.
    """
    async with get_client() as client:
        document = await client.read_block_document(document_id)
        if document.data.pop("_rendered_url", None):
            update = BlockDocumentUpdate(data=document.data, merge_existing_data=False)
            await client.update_block_document(document_id, update)


def save_blocks(
    platform: Platform, credentials: GcpCredentials, connector: SqlAlchemyConnector, settings: Settings
) -> None:
    """All blocks, under both of their names where the course uses two."""
    save(connector, blocks.POSTGRES)
    for name in blocks.CREDENTIALS:
        save(credentials, name)
    keys = GcpCredentials.load(blocks.CREDENTIALS[0])
    save(GcsBucket(bucket=settings.bucket, gcp_credentials=keys), blocks.BUCKET)
    save(GcsBucket(bucket=settings.bucket, bucket_folder=blocks.RESULTS, gcp_credentials=keys), blocks.RESULTS)
    container = DockerContainer(
        image=platform.image,
        # The default, `prefect flow-run execute`, starts this very process from a second one: twice the imports
        command=["python", "-m", "prefect.engine"],
        image_pull_policy="NEVER",
        networks=[platform.network],
        volumes=platform.volumes,
        env=platform.environment,
        auto_remove=True,
    )
    for name in blocks.CONTAINER:
        save(container, name)
    save(Process(), blocks.PROCESS)


def deploy() -> None:
    """The deployments, each of a flow beside this process's working directory."""
    from etl import etl
    from etl_dask import etl_dask
    from ingest_data import ingest_data
    from parameterized_flow import etl_parent_flow

    container, process = DockerContainer.load(blocks.CONTAINER[0]), Process.load(blocks.PROCESS)
    for flow, name, infrastructure in (
        (etl, "docker", container),
        (etl, "process", process),
        (ingest_data, "docker", container),
        (ingest_data, "process", process),
        (etl_parent_flow, "Parameterized ETL", process),
        (etl_parent_flow, "docker-flow", container),
    ):
        apply(flow, name, infrastructure)
    # Its function lies in etl.py, which is where Prefect would look for the flow
    apply(etl_dask, "dask", container, entrypoint="etl_dask.py:etl_dask", job_variables=KEEP_RESULTS)


def apply(flow: Flow[Any, Any], name: str, infrastructure: Block, **options: Any) -> None:
    """Makes the deployment, or brings an older one up to date; a student's of the same name stays as it is."""
    if WORKSPACE in Path(asyncio.run(_path_of(f"{flow.name}/{name}")) or "").parts:
        log.info("deployment %s/%s: made elsewhere, left alone", flow.name, name)
        return
    Deployment.build_from_flow(
        flow=flow,
        name=name,
        infrastructure=infrastructure,
        path=str(Path.cwd()),
        work_queue_name="default",
        apply=True,
        **options,
    )
    log.info("deployment %s/%s: there", flow.name, name)


async def _path_of(deployment: str) -> str | None:
    async with get_client() as client:
        try:
            path: str | None = (await client.read_deployment_by_name(deployment)).path
            return path
        except ObjectNotFound:
            return None


def main() -> None:
    """Does all of it, in an order in which each part finds what it needs."""
    # Agents and infrastructure blocks are the course's way; that Prefect has newer ones need not be said at each start.
    warnings.simplefilter("ignore", PrefectDeprecationWarning)
    platform, settings = Platform.from_environment(), Settings.from_environment()
    credentials = GcpCredentials(service_account_info=platform.service_account)
    connector = SqlAlchemyConnector(
        connection_info=ConnectionComponents(
            driver=SyncDriver.POSTGRESQL_PSYCOPG2,
            username="ny_taxi",
            password=platform.warehouse_password,
            host=platform.warehouse_host,
            port=platform.warehouse_port,
            database="ny_taxi",
        )
    )
    make_stores(credentials, connector, settings)
    asyncio.run(register_block_types())
    save_blocks(platform, credentials, connector, settings)
    deploy()


if __name__ == "__main__":
    main()
