"""The platform's services as their users meet them. Standard library only: the host uses it too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta


@dataclass(frozen=True)
class Service:
    """A service, its address on this machine, and how to log in."""

    name: str
    """As in compose's files, with `_` for `-`."""
    title: str
    what: str
    health: str = ""
    """The path that answers 200 when it is well; empty where it is asked in another way."""
    address: str = ""
    """On this machine, with `{}` for the port; empty where it is for other services only."""
    login: str = ""
    browse: str = ""
    """What a browser shows best of it, below its address; `{project}` stands for the Google Cloud project."""

    console: str = ""
    """Google's page of it, where it is Google's; with `{project}` and `{bucket}`."""

    @property
    def port(self) -> str:
        """The setting of its port on this machine."""
        return f"{self.name.upper()}_PORT"


SERVICES = (
    Service("start", "Start page", "what runs, what ran, what to do next", "", "http://localhost:{}", "no login"),
    Service("orion", "Orion", "flow runs, deployments, blocks", "/api/health", "http://localhost:{}", "no login"),
    Service(
        "pgadmin",
        "pgAdmin",
        "the warehouse's tables, and SQL on them",
        "/misc/ping",
        "http://localhost:{}",
        "no login; the warehouse is registered in it",
    ),
    Service(
        "postgres",
        "Postgres",
        "the warehouse",
        address="localhost:{}/ny_taxi",
        login="user ny_taxi, password: WAREHOUSE_DB_PASSWORD in .env",
    ),
    Service(
        "gcs",
        "Cloud Storage",
        "the bucket of parquet files",
        "/",
        "http://localhost:{}",
        "no login; bucket prefect-de-zoomcamp",
        "/storage/v1/b/prefect-de-zoomcamp/o",
        "https://console.cloud.google.com/storage/browser/{bucket}?project={project}",
    ),
    Service(
        "bigquery",
        "BigQuery",
        "the warehouse in the cloud, emulated",
        "/bigquery/v2/projects/local/datasets",
        "http://localhost:{}",
        "no login, any project; dataset trips_data_all",
        "/bigquery/v2/projects/{project}/datasets/trips_data_all/tables",
        "https://console.cloud.google.com/bigquery?project={project}",
    ),
    Service(
        "dask",
        "Dask",
        "the workers at work",
        "/health",
        "http://localhost:{}",
        "no login; the workers at work",
        "/status",
    ),
    Service("agent", "Agent", "starts the flow runs"),
    Service("internet", "Internet", "stands for the outside world: taxi files, git, chat", "/healthz"),
    Service("docker_proxy", "Docker proxy", "lets the agent start containers, and nothing else", "/_ping"),
)
"""Those that can be seen or asked, the most important first."""
OPTIONAL = ("dask",)
"""Services that a platform has only with the compose profile of the same name."""


def at_google(service: Service, project: str, bucket: str) -> Service:
    """The same service where it is Google's own: its page is Google's console, and it is not asked how it is."""
    return replace(
        service,
        what="Google's own, and not free",
        health="",
        address=service.console.format(project=project, bucket=bucket),
        login=f"the real cloud: project {project}, bucket {bucket}",
        browse="",
    )


def services(is_real_cloud: bool, project: str, bucket: str) -> tuple[Service, ...]:
    """All services, with Google's own in the emulators' place where the cloud is real."""
    return tuple(at_google(each, project, bucket) if each.console and is_real_cloud else each for each in SERVICES)


LATE = timedelta(seconds=8)
"""It polls every second."""
