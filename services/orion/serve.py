"""Runs Orion's server as `prefect server start` does, but without a second Python process, and with its exit code.

It imports its libraries, which takes longer than Postgres takes to start, before it waits for the database.
"""

import asyncio
import os

import asyncpg
import uvicorn

from services.orion.door import create_app

CONNECT_TIMEOUT = 60
"""Seconds for one connection, which a busy machine may need."""
NOT_YET = (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError)
"""Errors of a database that is still starting."""


async def wait_for_database(url: str) -> None:
    """Waits until the database takes connections; prints each new reason to wait.

    It has no limit: the command that starts the platform decides how long to wait, and a restart would not help.

    Raises:
        asyncpg.PostgresError: the database refuses the connection, for example because of a wrong password.
    """
    reason = ""
    while True:
        try:
            connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=CONNECT_TIMEOUT)
            await connection.close()
            return
        except NOT_YET as error:
            if f"{type(error).__name__}: {error}" != reason:
                reason = f"{type(error).__name__}: {error}"
                print(f"waiting for the database: {reason}", flush=True)  # noqa: T201
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    app = create_app()
    asyncio.run(wait_for_database(os.environ["PREFECT_API_DATABASE_CONNECTION_URL"]))
    uvicorn.run(app, host="0.0.0.0", port=4200, timeout_keep_alive=5)
