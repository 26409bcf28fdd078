"""Registers the block types and saves the blocks in Orion."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.blocks.core import Block
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound
from prefect.infrastructure import Process
from prefect.infrastructure.container import DockerContainer
from prefect.logging import get_logger
from prefect_gcp import GcpCredentials
from prefect_gcp.cloud_storage import GcsBucket
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver

from orionbox import files
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


class Written:
    """What the bootstrap has written: for each block, the time of its last change in Orion.

    A block that has changed since is a student's, who has saved an own one under that name, as the course says. It
    stays as it is until it is deleted. The file belongs to one database of Orion: in another one, which a restore
    brings, the types of blocks have other ids, so all blocks there count as the platform's.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._times: dict[str, str] = json.loads(file.read_text())
        except (OSError, ValueError):  # the first start
            self._times = {}

    def belongs_to_user(self, document: BlockDocument) -> bool:
        """Returns whether somebody else has written it since."""
        return self._times.get(self._key(document), str(document.updated)) != str(document.updated)

    def add(self, document: BlockDocument) -> None:
        """Notes that the block is the platform's as it is now."""
        self._times[self._key(document)] = str(document.updated)
        files.write(self._file, json.dumps(self._times))

    @staticmethod
    def _key(document: BlockDocument) -> str:
        return f"{document.block_type_id}/{document.name}"


def save(block: Block, name: str, written: Written) -> None:
    """Saves the block, unless Orion has one of that name with the same content, or a student's."""
    slug = f"{block.get_block_type_slug()}/{name}"
    if found := asyncio.run(_find(block, name)):
        if _has_content(block, found):
            written.add(found)
            log.info("block %s: unchanged", slug)
            return
        if written.belongs_to_user(found):
            log.info("block %s: belongs to the user; unchanged (docs/troubleshooting.md)", slug)
            return
    block._block_document_id = None  # of the name under which it was saved before: Prefect would overwrite that one
    document = block.save(name, overwrite=True)
    written.add(asyncio.run(_drop_rendered_url(document)))
    log.info("block %s: saved", slug)


async def _find(block: Block, name: str) -> BlockDocument | None:
    """Returns what Orion has of the block of that name; None if there is none."""
    async with get_client() as client:
        try:
            return await client.read_block_document_by_name(name, block.get_block_type_slug())
        except ObjectNotFound:
            return None


def _has_content(block: Block, found: BlockDocument) -> bool:
    """Returns whether what Orion has of the block has this content already."""
    try:
        return _content(type(block)._from_block_document(found)) == _content(block)
    except ValueError:  # of another version, or of values that it does not take
        return False


def _content(block: Block) -> dict[str, Any]:
    """Returns the block's own fields, without those that Prefect adds."""
    values = {name: getattr(block, name) for name in type(block).__fields__}
    return {name: _content(value) if isinstance(value, Block) else value for name, value in values.items()}


async def _drop_rendered_url(document_id: UUID) -> BlockDocument:
    """Removes a connector's address with its password from the stored block, and returns it; loading recreates it.

    prefect-sqlalchemy 0.4 stores it among the fields that Orion shows in clear text.
    """
    async with get_client() as client:
        document = await client.read_block_document(document_id)
        if document.data.pop("_rendered_url", None):
            update = BlockDocumentUpdate(data=document.data, merge_existing_data=False)
            await client.update_block_document(document_id, update)
            document = await client.read_block_document(document_id)
        return document


def save_blocks(
    bootstrap_settings: BootstrapSettings,
    credentials: GcpCredentials,
    connector: SqlAlchemyConnector,
    settings: FlowSettings,
    written: Written,
) -> None:
    """Saves all blocks, under two names if the course uses two.

    Args:
        bootstrap_settings: where the platform is.
        credentials: the service account's key.
        connector: the warehouse's address.
        settings: the bucket.
        written: what was written before; it is kept up to date.
    """
    for name in (names.POSTGRES, names.WAREHOUSE):
        save(connector, name, written)
    for name in names.CREDENTIALS:
        save(credentials, name, written)
    keys = GcpCredentials.load(names.CREDENTIALS[0])
    save(GcsBucket(bucket=settings.bucket, gcp_credentials=keys), names.BUCKET, written)
    # Its key is that of the environment: the course's blocks may hold a student's
    save(GcsBucket(bucket=settings.bucket, bucket_folder=names.RESULTS), names.RESULTS, written)
    for name in names.CONTAINER:
        save(container_of_runs(bootstrap_settings.image), name, written)
    save(Process(), names.PROCESS, written)
