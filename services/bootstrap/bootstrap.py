"""Makes the platform ready, once or again: bucket, tables, block types, blocks and deployments.

Everything here is idempotent; what is as it should be already is left alone. It runs in the flows' folder, against
services that have started.
"""

from __future__ import annotations

import asyncio
import warnings

from prefect._internal.compatibility.deprecated import PrefectDeprecationWarning
from prefect_gcp import GcpCredentials
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver

from orionbox.flow_settings import FlowSettings
from services.bootstrap.blocks import register_block_types, save_blocks
from services.bootstrap.deployments import deploy
from services.bootstrap.settings import Platform
from services.bootstrap.stores import make_stores


def main() -> None:
    """Does all of it, in an order in which each part finds what it needs."""
    # Agents and infrastructure blocks are the course's way; that Prefect has newer ones need not be said at each start.
    warnings.simplefilter("ignore", PrefectDeprecationWarning)
    platform, settings = Platform.from_environment(), FlowSettings.from_environment()
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
