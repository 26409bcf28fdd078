"""Creates the platform's deployments."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from prefect import Flow, get_client
from prefect.blocks.core import Block
from prefect.deployments import Deployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from prefect.infrastructure import Process
from prefect.infrastructure.container import DockerContainer
from prefect.logging import get_logger

from orionbox.orion import names
from orionbox.prefect2.dask import KEEP_RESULTS

PLATFORM_TAG = "orionbox"
"""The tag of all deployments that come with the platform."""
WORKSPACE = "workspace"
"""The folder of the students' own code."""
log = get_logger("bootstrap")


def deploy(folder: Path) -> None:
    """Creates the platform's deployments of the flows in the folder."""
    container, process = DockerContainer.load(names.CONTAINER[0]), Process.load(names.PROCESS)
    for entrypoint, name, infrastructure, options in (
        ("etl.py:etl", "docker", container, {}),
        ("etl.py:etl", "process", process, {}),
        ("etl_dask.py:etl_dask", "dask", container, {"job_variables": KEEP_RESULTS}),
        ("ingest_data.py:ingest_data", "docker", container, {}),
        ("ingest_data.py:ingest_data", "process", process, {}),
        ("parameterized_flow.py:etl_parent_flow", "Parameterized ETL", process, {}),
        ("parameterized_flow.py:etl_parent_flow", "docker-flow", container, {}),
    ):
        ensure_deployment(folder, entrypoint, name, infrastructure, **options)


def ensure_deployment(folder: Path, entrypoint: str, name: str, infrastructure: Block, **options: Any) -> None:
    """Creates the deployment, or updates an older one; a student's of the same name stays unchanged.

    Args:
        folder: where the flow's file is, here and where the flow runs.
        entrypoint: `file:function` in it.
        name: the deployment's.
        infrastructure: the block from which the agent starts its runs.
        options: more fields of the deployment.
    """
    flow: Flow[Any, Any] = load_flow_from_entrypoint(f"{folder}/{entrypoint}", use_placeholder_flow=False)
    if WORKSPACE in Path(asyncio.run(path_of(f"{flow.name}/{name}")) or "").parts:
        log.info("deployment %s/%s: belongs to the user; unchanged", flow.name, name)
        return
    Deployment.build_from_flow(
        flow=flow,
        name=name,
        entrypoint=entrypoint,
        infrastructure=infrastructure,
        path=str(folder),
        # By default Prefect creates an empty one in the working directory
        ignore_file=str(folder / ".prefectignore"),
        work_queue_name="default",
        # Orion's list shows the names without the flow's: several are called `docker`
        tags=[PLATFORM_TAG, flow.name, infrastructure.get_block_type_slug()],
        apply=True,
        **options,
    )
    log.info("deployment %s/%s: created or updated", flow.name, name)


async def path_of(deployment: str) -> str | None:
    """Returns the folder of a deployment's code; None if there is no such deployment."""
    async with get_client() as client:
        try:
            path: str | None = (await client.read_deployment_by_name(deployment)).path
            return path
        except ObjectNotFound:
            return None
