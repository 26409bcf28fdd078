"""Deploys the parameterized flow from Python. Block `docker-container/zoom` describes its containers."""

from __future__ import annotations

from prefect.deployments import Deployment
from prefect.infrastructure.container import DockerContainer

from parameterized_flow import etl_parent_flow


def deploy() -> None:
    """Creates or updates `etl-parent-flow/docker-flow`."""
    Deployment.build_from_flow(
        flow=etl_parent_flow,
        name="docker-flow",
        infrastructure=DockerContainer.load("zoom"),
        apply=True,
    )


if __name__ == "__main__":
    deploy()
