"""The deployments of the flows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from prefect import Flow, get_client
from prefect.blocks.core import Block
from prefect.deployments import Deployment
from prefect.exceptions import ObjectNotFound
from prefect.infrastructure import Process
from prefect.infrastructure.container import DockerContainer

from orionbox.prefect2.dask import KEEP_RESULTS
from orionbox.stores import clients
from services.bootstrap.settings import log

WORKSPACE = "workspace"
"""The folder of the student's own code."""


def deploy() -> None:
    """The deployments, each of a flow beside this process's working directory."""
    from etl import etl
    from etl_dask import etl_dask
    from ingest_data import ingest_data
    from parameterized_flow import etl_parent_flow

    container, process = DockerContainer.load(clients.CONTAINER[0]), Process.load(clients.PROCESS)
    for flow, name, infrastructure in (
        (etl, "docker", container),
        (etl, "process", process),
        (ingest_data, "docker", container),
        (ingest_data, "process", process),
        (etl_parent_flow, "Parameterized ETL", process),
        (etl_parent_flow, "docker-flow", container),
    ):
        apply(flow, name, infrastructure)
    # Its function lies in etl.py, which is where Prefect would look for the flow
    apply(etl_dask, "dask", container, entrypoint="etl_dask.py:etl_dask", job_variables=KEEP_RESULTS)


def apply(flow: Flow[Any, Any], name: str, infrastructure: Block, **options: Any) -> None:
    """Makes the deployment, or brings an older one up to date; a student's of the same name stays as it is."""
    if WORKSPACE in Path(asyncio.run(_path_of(f"{flow.name}/{name}")) or "").parts:
        log.info("deployment %s/%s: made elsewhere, left alone", flow.name, name)
        return
    Deployment.build_from_flow(
        flow=flow,
        name=name,
        infrastructure=infrastructure,
        path=str(Path.cwd()),
        work_queue_name="default",
        apply=True,
        **options,
    )
    log.info("deployment %s/%s: there", flow.name, name)


async def _path_of(deployment: str) -> str | None:
    async with get_client() as client:
        try:
            path: str | None = (await client.read_deployment_by_name(deployment)).path
            return path
        except ObjectNotFound:
            return None
