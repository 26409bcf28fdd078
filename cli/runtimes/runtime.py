"""The two runtimes: compose, where an engine answers, and embedded, the same services as plain processes, elsewhere.

This is the one place that tells them apart; everything else talks to a `Runtime`, which is a module.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import IO, Protocol

from cli.archive.databases import Database
from cli.archive.snapshots import Part


class Runtime(Protocol):
    """What a runtime can do. The commands return an exit code and raise CommandError; all are idempotent."""

    NAME: str
    """As in RUNTIME= and in reports."""
    INFRASTRUCTURE: str
    """The name of the deployments that run flows where this runtime does: `docker` or `process`."""

    def prepare(self) -> None:
        """Checks what this machine must have, and makes .env and the runtime folders."""

    def ensure_up(self) -> None:
        """Starts the platform unless all of it runs already as it should."""

    def orion_url(self) -> str:
        """Orion's address on this machine."""

    def start_url(self) -> str:
        """The start page's address on this machine."""

    def flows_command(self, module: str, *arguments: str) -> list[str]:
        """The command that runs a Python module where flows run, without the platform; makes what that needs."""

    def build(self) -> int:
        """Makes what the platform is started from."""

    def up(self) -> int:
        """Starts everything, and returns when it is usable."""

    def down(self) -> int:
        """Stops everything; data stays."""

    def reset(self) -> int:
        """Stops everything and deletes its data, after saying so."""

    def status(self) -> int:
        """Shows what runs, and where."""

    def logs(self) -> int:
        """Follows the logs, of all services or of SERVICE."""

    def shell(self) -> int:
        """Opens a shell where flows run."""

    def psql(self) -> int:
        """Opens psql on the warehouse."""


class Stores(Protocol):
    """What a backup reads and a restore fills; a module for each runtime."""

    def orion(self) -> AbstractContextManager[Part]:
        """A snapshot of Orion's state, without the key of its blocks."""

    def database(self, name: str) -> Database:
        """The PostgreSQL database of that name."""

    def ask_orion(self, sql: str) -> list[str]:
        """What Orion's database answers to one or more statements."""

    def size_of_orion(self) -> int:
        """Bytes on disk."""

    def address(self, port: str) -> str:
        """The address of the service whose port .env calls so."""

    def has_data(self) -> bool:
        """Whether there is anything that a restore would replace."""

    def free_space(self) -> int:
        """Bytes that are free where the stores keep their data."""

    def clear(self) -> None:
        """Stops the platform and deletes what its stores hold."""

    def start_databases(self) -> None:
        """Starts Postgres, and nothing that writes to it."""

    def stop_databases(self) -> None:
        """Stops it where `up` needs that."""

    def put_orion(self, content: IO[bytes]) -> None:
        """Fills Orion's database, which is empty."""

    def unpack(self, service: str, content: IO[bytes]) -> None:
        """Fills the empty data folder of `gcs` or `bigquery` from a compressed tar."""
