"""What Dask's scheduler and workers import before they say that they are ready (compose/flows.yaml).

The tasks' libraries take seconds to import; so a first run is as fast as the next.
"""

from __future__ import annotations

import atexit
import os

import prefect.engine  # noqa: F401

import orionbox.stores.clients
import orionbox.stores.parquet  # noqa: F401


def dask_teardown(node: object) -> None:
    """Lets the process that ends now end with an error: a worker that has lost its scheduler is to be started again.

    Dask's own exit code then is 0, with which Docker's `restart: on-failure` leaves it alone. What was stopped on
    purpose stays so whatever its code. Called by Dask (https://docs.dask.org/en/stable/customize-initialization.html).
    """
    atexit.register(os._exit, 1)
