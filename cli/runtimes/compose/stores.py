"""What `backup` and `restore` need of the compose runtime: its databases, its volumes, and steps of its start."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import IO

from cli.archive import databases, snapshots
from cli.programs import environment, output, run
from cli.runtimes.compose import google_cloud, images, readiness, runtime
from cli.settings import env_file, settings
from orionbox.errors import CommandError

DATA = {"postgres": "", "gcs": "/var/lib/gcs", "bigquery": "/var/lib/bigquery"}
"""The volumes that a backup stands for, and where the service of that name has its own; the emulators' are left alone
while Google's stores are in use."""


def orion() -> AbstractContextManager[snapshots.Snapshot]:
    """Orion's state, without the key of its blocks."""
    return databases.dumped("orion.dump", database("orion"), f"--exclude-table-data={snapshots.KEY_TABLE}")


def database(name: str) -> databases.Database:
    """A database, spoken to within Postgres' container as the role that owns it, which bears its name."""
    command = [*runtime.COMPOSE, "exec", "-T", "postgres"]
    return databases.Database(command, f"user=postgres dbname={name} options=-crole={name}", environment())


def ask_orion(sql: str) -> list[str]:
    """What Orion's database answers."""
    return database("orion").ask(sql)


def size_of_orion() -> int:
    """Bytes on disk."""
    return database("orion").size()


def address(port: str) -> str:
    """A service's address."""
    return f"http://localhost:{env_file.load()[port]}"


def has_data() -> bool:
    """Whether there is any volume that a restore would fill."""
    present = output("docker", "volume", "ls", "--format", "{{.Name}}").split()
    return any(volume in present for volume in _volumes())


def _volumes() -> list[str]:
    project = env_file.load()["COMPOSE_PROJECT_NAME"]
    unused = google_cloud.EMULATORS.services if settings.is_real() else ()
    return [f"{project}_{name}" for name in DATA if name not in unused]


def free_space() -> int:
    """Bytes that are free where the engine keeps its volumes, which may be in a machine of its own."""
    command = images.in_flows_image("df", "--block-size=1", "--output=avail", "/new", options=["--volume=/new"])
    return int(output(*command).split()[-1])


def clear() -> None:
    """Stops the platform and deletes what its stores hold."""
    runtime.down()
    output("docker", "volume", "rm", "--force", *_volumes())


def start_databases() -> None:
    """Starts Postgres, and nothing that writes to it."""
    runtime.settle_ports()
    if run(*runtime.COMPOSE, "--progress", "quiet", "up", "--detach", "--wait", "postgres"):
        raise CommandError(readiness.last_words(readiness.not_well()))


def stop_databases() -> None:
    """Nothing: `up` starts the rest beside them."""


def put_orion(content: IO[bytes]) -> None:
    """Fills Orion's database."""
    database("orion").restore(content)


def unpack(service: str, content: IO[bytes]) -> None:
    """Fills the data folder of `gcs` or `bigquery` from a compressed tar."""
    command = [*runtime.COMPOSE, "--progress", "quiet", "run", "--rm", "--no-deps", "-T", service]
    snapshots.feed([*command, "tar", "-xz", "-C", DATA[service]], content, environment())
