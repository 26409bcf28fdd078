"""Where the months of the main job run: `threads`, side by side in the run's own container, or `dask`, on workers.

The workers and their scheduler are compose's profile `dask`. This is the one place that knows what ENGINE means.
"""

from __future__ import annotations

from ctl import dotenv, validity
from ctl.extras import Extra
from orionbox.errors import BadInputError

SCHEDULER = "dask-scheduler"
SERVICES = (SCHEDULER, "dask-worker")
PORT = "DASK_PORT"
OWN_ADDRESS = f"tcp://{SCHEDULER}:8786"
"""The scheduler of the profile; any other address is a cluster that somebody else keeps."""


def chosen() -> str:
    """The engine in force."""
    return dotenv.load()["ENGINE"]


def has_own_cluster() -> bool:
    """Whether the platform keeps a Dask cluster itself."""
    return chosen() == "dask" and dotenv.load()["DASK_SCHEDULER_ADDRESS"] == OWN_ADDRESS


CLUSTER = Extra("dask", SERVICES, (PORT,), has_own_cluster, "the Dask cluster is gone: ENGINE=dask brings it back")


def deployment(infrastructure: str) -> str:
    """The name of the main job's deployment; `infrastructure` is that of the runs on threads."""
    return "dask" if chosen() == "dask" else infrastructure


def refuse_cluster(runtime: str) -> None:
    """For a runtime that has no containers.

    Raises:
        BadInputError: a cluster is asked for.
    """
    if chosen() == "dask":
        raise BadInputError(
            f"{validity.where('ENGINE')}=dask: needs Docker, and this is RUNTIME={runtime}; use ENGINE=threads"
        )
