"""The list of the platform's services. Standard library only: the command line uses it, too.

Both runtimes, `make up`, the start page and the tests read this list. Only compose's files repeat it, because YAML
cannot import it; a test checks that they match.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from orionbox.loopback import NAME, link_host

LONGEST_POLL_GAP = timedelta(seconds=8)
"""The agent polls every second; an agent whose last poll is older counts as down."""


@dataclass(frozen=True)
class Service:
    """A service: how its users see it, and how its health is checked."""

    name: str
    """As in compose's files."""
    title: str = ""
    purpose: str = ""
    """In a few words."""
    prefix: str = ""
    """Prefix of its environment variables, for example `ORION` for ORION_PORT; by default its name in capitals."""
    health: str = ""
    """The path that answers 200 as long as the service is healthy; empty if it has no such path."""
    health_program: tuple[str, ...] = ()
    """The program that checks its health instead; a Python module runs with `python -m`."""
    address: str = ""
    """On this machine, with `{}` for the port; empty if only other services use it."""
    login: str = ""
    browse: str = ""
    """The page to open in a browser, as a path; `{project}` stands for the Google Cloud project."""
    console: str = ""
    """Its page in Google's console, with `{project}` and `{bucket}`; empty if Google does not run it."""
    profile: str = ""
    """The compose profile that it belongs to; empty for a service that every platform has."""

    def __post_init__(self) -> None:
        if not self.prefix:
            object.__setattr__(self, "prefix", self.name.upper().replace("-", "_"))

    def link(self, port: object) -> str:
        """Returns its address with this port, for people on this machine; empty if only other services use it."""
        return self.address.format(port).replace(NAME, link_host(), 1)

    @property
    def port(self) -> str:
        """The name of the setting of its port on this machine."""
        return f"{self.prefix}_PORT"


SERVICES = (
    Service(
        "start",
        "Start page",
        "what is running, what ran, what to do next",
        health="/healthz",
        address="http://localhost:{}",
        login="no login",
    ),
    Service(
        "orion",
        "Orion",
        "flow runs, deployments, blocks",
        health="/api/health",
        address="http://localhost:{}",
        login="no login",
    ),
    Service(
        "pgadmin",
        "pgAdmin",
        "the warehouse's tables, and SQL on them",
        health="/misc/ping",
        address="http://localhost:{}",
        login="no login; the warehouse is registered in it",
    ),
    Service(
        "postgres",
        "Postgres",
        "the warehouse",
        health_program=("pg_isready",),
        address="localhost:{}/ny_taxi",
        login="user ny_taxi, password: WAREHOUSE_DB_PASSWORD in .env",
    ),
    Service(
        "gcs",
        "Cloud Storage",
        "the bucket of parquet files",
        health="/",
        address="http://localhost:{}",
        login="no login; bucket prefect-de-zoomcamp",
        browse="/storage/v1/b/prefect-de-zoomcamp/o",
        console="https://console.cloud.google.com/storage/browser/{bucket}?project={project}",
    ),
    Service(
        "bigquery",
        "BigQuery",
        "the warehouse in the cloud, emulated",
        # It answers 400 while another process locks its data
        health="/bigquery/v2/projects/local/datasets",
        address="http://localhost:{}",
        login="no login, any project; dataset trips_data_all",
        browse="/bigquery/v2/projects/{project}/datasets/trips_data_all/tables",
        console="https://console.cloud.google.com/bigquery?project={project}",
    ),
    Service(
        "dask-scheduler",
        "Dask",
        "hands the tasks of flow runs to workers",
        prefix="DASK",
        health="/health",
        address="http://localhost:{}",
        login="no login; shows the workers' tasks",
        browse="/status",
        profile="dask",
    ),
    Service("agent", "Agent", "starts the flow runs", health_program=("services.agent.health",)),
    Service("internet", "Internet", "stands in for the outside world: taxi files, git, chat", health="/healthz"),
    Service("taxi", "Taxi files", "serves the months of taxi trips, and generates missing ones", health="/healthz"),
    Service("docker-proxy", "Docker proxy", "lets the agent start containers, and nothing else", health="/_ping"),
    Service("sweeper", "Sweeper", "ends orphan runs", health_program=("services.agent.sweeper", "health")),
    Service("dask-worker", "Dask worker", "runs tasks of flow runs", health="/health", profile="dask"),
    Service("gateway", "Gateway", "lets other machines in, by a login", health="/healthz", profile="gateway"),
)
"""All long-running services, in the order of the start page."""
BY_NAME = {service.name: service for service in SERVICES}


def as_google_service(service: Service, project: str, bucket: str) -> Service:
    """Returns the service as Google runs it: its page is Google's console, and nobody checks its health."""
    return replace(
        service,
        purpose="Google's own, and not free",
        health="",
        address=service.console.format(project=project, bucket=bucket),
        login=f"the real cloud: project {project}, bucket {bucket}",
        browse="",
    )


def services(is_real_cloud: bool, project: str, bucket: str) -> tuple[Service, ...]:
    """Returns all services, with Google's own in place of the emulators if the cloud is real."""
    return tuple(
        as_google_service(service, project, bucket) if service.console and is_real_cloud else service
        for service in SERVICES
    )
