"""What Dask's scheduler and workers import before they are ready (compose/flows.yaml).

The tasks' libraries take seconds to import. Importing them here makes the first run as fast as the next.
"""

from __future__ import annotations

import atexit
import os

import prefect.engine  # noqa: F401

import orionbox.stores.clients
import orionbox.stores.parquet  # noqa: F401


def dask_teardown(node: object) -> None:
    """Makes this process exit with an error, so that Docker restarts a worker that has lost its scheduler.

    Dask would exit with 0, which Docker's `restart: on-failure` ignores. What a user stops stays stopped, whatever the
    exit code. Dask calls this at its end (https://docs.dask.org/en/stable/customize-initialization.html).
    """
    atexit.register(os._exit, 1)
