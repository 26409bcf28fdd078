"""The names of what the bootstrap creates in Orion. Everything else belongs to the user."""

from __future__ import annotations

POSTGRES = "postgres-connector"
WAREHOUSE = "orionbox-warehouse"
"""The same connection under a name that no page of the course overwrites, for the platform's own programs."""
WAREHOUSE_PATH = f"block_types/slug/sqlalchemy-connector/block_documents/name/{WAREHOUSE}?include_secrets=true"
"""Where Orion's API has it."""
CREDENTIALS = ("zoom-gcp-creds", "doc-gcp-creds")
BUCKET = "zoom-gcs"
RESULTS = "task-results"
"""A folder of the bucket for the results of tasks."""
CONTAINER = ("zoom", "dtc")
"""Two names for one block: the course's videos and its written notes differ."""

QUEUE, POOL = "default", "default-agent-pool"
"""The queue that the platform's agent polls, and the work pool that Orion puts it in."""
TAG = "orionbox"
"""The tag of the platform's own deployments."""

FLOWS_FOLDERS = ("/opt/prefect/flows", "services/flows/flows")
"""How the folders of the platform's own flows end, in compose and in the embedded runtime."""

PROCESS = "agent"
"""Runs flows as processes in the agent's own container."""

BLOCKS = (POSTGRES, WAREHOUSE, *CREDENTIALS, BUCKET, RESULTS, *CONTAINER, PROCESS)
DEPLOYMENTS = (
    "etl/docker",
    "etl/process",
    "etl/dask",
    "ingest-data/docker",
    "ingest-data/process",
    "etl-parent-flow/Parameterized ETL",
    "etl-parent-flow/docker-flow",
)
FLOWS = ("etl", "ingest-data", "etl-parent-flow")


def has_platform_code(path: str | None, storage: object) -> bool:
    """Returns whether a deployment's code is the platform's own.

    Its tags and its version say nothing: `prefect deployment build` copies them from an older deployment of that name.

    Args:
        path: the folder of its code.
        storage: the block that holds its code, or that block's id or type; nothing for a local folder.
    """
    return not storage and (path or "").rstrip("/").endswith(FLOWS_FOLDERS)
