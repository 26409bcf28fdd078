"""Registers the block types and saves the blocks in Orion."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.blocks.core import Block
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.infrastructure import Process
from prefect.infrastructure.container import DockerContainer
from prefect.logging import get_logger
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver

from orionbox.flow_settings import FlowSettings
from orionbox.orion import names
from services.bootstrap.settings import BootstrapSettings

BLOCK_COLLECTIONS = ("prefect_gcp", "prefect_sqlalchemy")
log = get_logger("bootstrap")


def gcp_credentials(settings: BootstrapSettings) -> GcpCredentials:
    """Returns the block that holds the service account's key."""
    return GcpCredentials(service_account_info=settings.service_account)


def warehouse_connector(settings: BootstrapSettings) -> SqlAlchemyConnector:
    """Returns the block that holds the warehouse's address."""
    return SqlAlchemyConnector(
        connection_info=ConnectionComponents(
            driver=SyncDriver.POSTGRESQL_PSYCOPG2,
            username="ny_taxi",
            password=settings.warehouse_password,
            host=settings.warehouse_host,
            port=settings.warehouse_port,
            database="ny_taxi",
        )
    )


def container_of_runs(image: str) -> DockerContainer:
    """Returns the block of a run's container; orionbox.prefect2.containers adds the platform's facts to each."""
    return DockerContainer(
        image=image,
        # The default, `prefect flow-run execute`, runs this command from another Python process: twice the imports
        command=["python", "-m", "prefect.engine"],
        image_pull_policy="NEVER",
        auto_remove=True,
    )


def register_block_types() -> None:
    """Makes the collections' block types visible in the UI, as `prefect block register -m` does."""
    asyncio.run(_register_block_types())


async def _register_block_types() -> None:
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
    """Saves the block, unless Orion has one of that name and content."""
    slug = f"{block.get_block_type_slug()}/{name}"
    try:
        if _content(type(block).load(name)) == _content(block):
            log.info("block %s: unchanged", slug)
            return
    except ValueError:  # no such block
        pass
    document = block.save(name, overwrite=True)
    asyncio.run(_drop_rendered_url(document))
    log.info("block %s: saved", slug)


def _content(block: Block) -> dict[str, Any]:
    """Returns the block's own fields, without those that Prefect adds."""
    values = {name: getattr(block, name) for name in type(block).__fields__}
    return {name: _content(value) if isinstance(value, Block) else value for name, value in values.items()}


async def _drop_rendered_url(document_id: UUID) -> None:
    """Removes a connector's address with its password from the stored block; loading recreates it.

    prefect-sqlalchemy 0.4 stores it among the fields that Orion shows in clear text.
    """
    async with get_client() as client:
        document = await client.read_block_document(document_id)
        if document.data.pop("_rendered_url", None):
            update = BlockDocumentUpdate(data=document.data, merge_existing_data=False)
            await client.update_block_document(document_id, update)


def save_blocks(
    bootstrap_settings: BootstrapSettings,
    credentials: GcpCredentials,
    connector: SqlAlchemyConnector,
    settings: FlowSettings,
) -> None:
    """Saves all blocks, under two names if the course uses two."""
    for name in (names.POSTGRES, names.WAREHOUSE):
        save(connector, name)
    for name in names.CREDENTIALS:
        save(credentials, name)
    keys = GcpCredentials.load(names.CREDENTIALS[0])
    save(GcsBucket(bucket=settings.bucket, gcp_credentials=keys), names.BUCKET)
    save(GcsBucket(bucket=settings.bucket, bucket_folder=names.RESULTS, gcp_credentials=keys), names.RESULTS)
    for name in names.CONTAINER:
        save(container_of_runs(bootstrap_settings.image), name)
    save(Process(), names.PROCESS)
