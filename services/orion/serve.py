"""Runs Orion's server as `prefect server start` does, but without a second Python process, and with its exit code.

It imports its libraries, which takes longer than Postgres takes to start, before it waits for the database.
"""

import asyncio
import os
import time

import asyncpg
import uvicorn
from prefect.server.api.server import create_app

DATABASE_TIMEOUT = 60
"""Seconds in which the database must answer; otherwise the process ends with an error, and Docker restarts it."""
NOT_YET = (OSError, asyncpg.CannotConnectNowError)
"""Errors of a database that is still starting."""


async def wait_for_database(url: str) -> None:
    """Waits until the database takes connections.

    Raises:
        SystemExit: the database did not answer in time; the text says why. Any other error is the database's answer.
    """
    deadline = time.monotonic() + DATABASE_TIMEOUT
    while True:
        try:
            connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=10)
            await connection.close()
            return
        except NOT_YET as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"the database does not answer: {error}") from error
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    app = create_app()
    asyncio.run(wait_for_database(os.environ["PREFECT_API_DATABASE_CONNECTION_URL"]))
    uvicorn.run(app, host="0.0.0.0", port=4200, timeout_keep_alive=5)
