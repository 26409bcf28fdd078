"""The stores of the compose runtime: its databases, its volumes, and the steps of a start that a restore needs."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import IO, Protocol

from cli.archive import dumps, snapshots, tars
from cli.archive.databases import PINNED_FOR_ORION, Database
from cli.archive.snapshots import Snapshot
from cli.programs import feed, output
from cli.runtimes.compose import images, readiness
from cli.runtimes.compose.compose import Compose
from cli.runtimes.compose.optional_services import EMULATORS

VOLUMES = {"postgres": "", "gcs": "/var/lib/gcs", "bigquery": "/var/lib/bigquery"}
"""The volumes that a restore fills, with their mount points in the service of the same name."""


class Platform(Protocol):
    """The part of the runtime that the stores use."""

    @property
    def compose(self) -> Compose:
        """Compose with the platform's settings."""

    def claim(self) -> bool:
        """Claims the platform's name on this engine; returns whether the platform was moved."""

    def ensure_keys(self) -> bool:
        """Writes the keys in secrets/ that are missing; containers mount them."""

    def down(self) -> None:
        """Stops everything; data stays."""

    def compose_up(self, *arguments: str) -> None:
        """Runs `docker compose up` on free ports."""


class ComposeStores:
    """The stores of one platform."""

    def __init__(self, runtime: Platform) -> None:
        self._runtime = runtime

    @property
    def _compose(self) -> Compose:
        return self._runtime.compose

    def orion(self) -> AbstractContextManager[Snapshot]:
        """Opens a snapshot of Orion's state, without the key of its blocks."""
        return dumps.dump("orion.dump", self.database("orion"), f"--exclude-table-data={snapshots.KEY_TABLE}")

    def database(self, name: str) -> Database:
        """Returns a database; its programs run in Postgres' container and log in as its owner, which has its name.

        The container itself has the passwords. The socket asks `ny_taxi` for none: a student may have changed it.
        """
        command = self._compose.command("exec", "-T", "postgres")
        if name == "orion":
            command += ["sh", "-c", 'PGPASSWORD=$ORION_DB_PASSWORD exec "$@"', "sh"]
            where = "host=127.0.0.1 user=orion dbname=orion"
            return Database(command, where, self._compose.environment(), PINNED_FOR_ORION)
        return Database(command, f"user={name} dbname={name}", self._compose.environment())

    def ask_orion(self, sql: str, **parameters: str) -> list[str]:
        """Runs statements in Orion's database."""
        return self.database("orion").ask(sql, parameters)

    def size_of_orion(self) -> int:
        """Returns the bytes that Orion's database takes on disk."""
        return self.database("orion").size()

    def address(self, port: str) -> str:
        """Returns a service's address."""
        return f"http://127.0.0.1:{self._compose.settings[port]}"

    def has_data(self) -> bool:
        """Returns whether any volume that a restore would fill exists."""
        present = output("docker", "volume", "ls", "--format", "{{.Name}}").split()
        return any(volume in present for volume in self.volumes())

    def volumes(self) -> list[str]:
        """Returns the volumes that a restore fills; the emulators' are left alone while Google's stores are in use."""
        settings = self._compose.settings
        unused = EMULATORS.services if settings.is_real_cloud else ()
        return [f"{settings.platform}_{name}" for name in VOLUMES if name not in unused]

    def free_space(self) -> int:
        """Returns the bytes that are free where the engine keeps its volumes, which may be a virtual machine."""
        df = ("df", "--block-size=1", "--output=avail", "/new")
        command = images.program_command(self._compose, "flows", *df, options=["--volume=/new"])
        return int(output(*command).split()[-1])

    def clear(self) -> None:
        """Stops the platform and deletes what its stores hold."""
        self._runtime.down()
        output("docker", "volume", "rm", "--force", *self.volumes())

    def start_databases(self) -> None:
        """Starts Postgres, and nothing that writes to it."""
        self._runtime.claim()
        self._runtime.ensure_keys()
        start = time.monotonic()
        self._runtime.compose_up("postgres")
        readiness.wait_until_usable(self._compose.settings.platform, start, only=["postgres"])

    def stop_databases(self) -> None:
        """Does nothing: `up` starts the other services beside them."""

    def put_orion(self, content: IO[bytes]) -> None:
        """Fills Orion's database."""
        self.database("orion").restore(content)

    def unpack(self, service: str, content: IO[bytes]) -> None:
        """Fills the data folder of `gcs` or `bigquery` from a compressed tar."""
        command = self._compose.command("--progress", "quiet", "run", "--rm", "--no-deps", "-T", service)
        feed(
            [*command, "tar", "-x", "--no-same-permissions", "-C", VOLUMES[service]],
            lambda target: tars.rewrite(content, target.write),
            self._compose.environment(),
        )
