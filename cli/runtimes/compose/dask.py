"""Where the months of the main job run: `threads`, side by side in the run's own container, or `dask`, on workers.

The workers and their scheduler are compose's profile `dask`. This is the one place that knows what ENGINE means.
"""

from __future__ import annotations

from cli.runtimes.compose.optional_services import Extra
from cli.settings import env_file

SCHEDULER = "dask-scheduler"
SERVICES = (SCHEDULER, "dask-worker")
PORT = "DASK_PORT"
OWN_ADDRESS = f"tcp://{SCHEDULER}:8786"
"""The scheduler of the profile; any other address is a cluster that somebody else keeps."""


def chosen() -> str:
    """The engine in force."""
    return env_file.load()["ENGINE"]


def has_own_cluster() -> bool:
    """Whether the platform keeps a Dask cluster itself."""
    return chosen() == "dask" and env_file.load()["DASK_SCHEDULER_ADDRESS"] == OWN_ADDRESS


CLUSTER = Extra("dask", SERVICES, (PORT,), has_own_cluster, "the Dask cluster is gone: ENGINE=dask brings it back")


def deployment(infrastructure: str) -> str:
    """The name of the main job's deployment; `infrastructure` is that of the runs on threads."""
    return "dask" if chosen() == "dask" else infrastructure
