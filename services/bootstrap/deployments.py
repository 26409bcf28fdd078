"""Creates the platform's deployments."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from prefect import Flow, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import Deployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from prefect.infrastructure import Infrastructure, Process
from prefect.infrastructure.container import DockerContainer
from prefect.logging import get_logger

from orionbox.orion import names
from orionbox.prefect2.dask import KEEP_RESULTS

log = get_logger("bootstrap")


def deploy(folder: Path, container: DockerContainer) -> None:
    """Creates the platform's deployments of the flows in the folder.

    Their infrastructure is their own, not one of the blocks in Orion, which students are told to overwrite.

    Args:
        folder: where the flows are, here and where they run.
        container: the container of a run.
    """
    for entrypoint, name, infrastructure, options in (
        ("etl.py:etl", "docker", container, {}),
        ("etl.py:etl", "process", Process(), {}),
        ("etl_dask.py:etl_dask", "dask", container, {"job_variables": KEEP_RESULTS}),
        ("ingest_data.py:ingest_data", "docker", container, {}),
        ("ingest_data.py:ingest_data", "process", Process(), {}),
        ("parameterized_flow.py:etl_parent_flow", "Parameterized ETL", Process(), {}),
        ("parameterized_flow.py:etl_parent_flow", "docker-flow", container, {}),
    ):
        ensure_deployment(folder, entrypoint, name, infrastructure, **options)


def ensure_deployment(folder: Path, entrypoint: str, name: str, infrastructure: Infrastructure, **options: Any) -> None:
    """Creates the deployment, or updates an older one; a student's of the same name stays unchanged.

    Args:
        folder: where the flow's file is, here and where the flow runs.
        entrypoint: `file:function` in it.
        name: the deployment's.
        infrastructure: how the agent starts its runs; it is not saved in Orion.
        options: more fields of the deployment.
    """
    flow: Flow[Any, Any] = load_flow_from_entrypoint(f"{folder}/{entrypoint}", use_placeholder_flow=False)
    full_name = f"{flow.name}/{name}"
    found, version = asyncio.run(find(full_name)), version_of(folder, entrypoint, infrastructure, options)
    if found and belongs_to_user(found):
        log.info("deployment %s: belongs to the user; unchanged", full_name)
        return
    if found and is_current(found, version):
        log.info("deployment %s: unchanged", full_name)
        return
    Deployment.build_from_flow(
        flow=flow,
        name=name,
        version=version,
        entrypoint=entrypoint,
        infrastructure=infrastructure,
        path=str(folder),
        # By default Prefect creates an empty one in the working directory
        ignore_file=str(folder / ".prefectignore"),
        work_queue_name=names.QUEUE,
        # Orion's list shows the names without the flow's: several are called `docker`
        tags=[names.TAG, flow.name, infrastructure.get_block_type_slug()],
        apply=True,
        **options,
    )
    log.info("deployment %s: created or updated", full_name)


def version_of(folder: Path, entrypoint: str, infrastructure: Infrastructure, options: dict[str, Any]) -> str:
    """Returns a digest of all that a deployment is made from, this module included."""
    digest = hashlib.sha256((folder / entrypoint.partition(":")[0]).read_bytes() + Path(__file__).read_bytes())
    digest.update(repr((str(folder), entrypoint, infrastructure.dict(), options)).encode())
    return digest.hexdigest()[:16]


def belongs_to_user(found: DeploymentResponse) -> bool:
    """Returns whether a student has created it: a new deployment of the same name replaces the platform's.

    Orionbox before 0.3.0 set no tag; its deployments had neither parameters nor schedules.
    """
    if not names.has_platform_code(found.path, found.storage_document_id):
        return True
    return names.TAG not in found.tags and bool(found.parameters or found.schedules)


def is_current(found: DeploymentResponse, version: str) -> bool:
    """Returns whether it needs no update. An update would remove the schedules that a student has added in Orion."""
    return found.version == version and found.work_queue_name == names.QUEUE and bool(found.infrastructure_document_id)


async def find(deployment: str) -> DeploymentResponse | None:
    """Returns the deployment `flow/name`; None if there is no such deployment."""
    async with get_client() as client:
        try:
            return await client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            return None
