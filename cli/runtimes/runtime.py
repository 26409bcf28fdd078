"""What a runtime can do. Compose and embedded each implement these Protocols in `runtime.py` and `stores.py`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import IO, ClassVar, Protocol

from cli.archive.databases import Database
from cli.archive.snapshots import Snapshot
from cli.settings.settings import Settings


class Stores(Protocol):
    """The stores of a runtime: what a backup reads and a restore fills."""

    def orion(self) -> AbstractContextManager[Snapshot]:
        """Opens a snapshot of Orion's state, without the key of its blocks."""

    def database(self, name: str) -> Database:
        """Returns the PostgreSQL database of that name."""

    def ask_orion(self, sql: str, **parameters: str) -> list[str]:
        """Runs one or more statements in Orion's database; returns the first column of the last one's rows.

        Args:
            sql: the statements, which name the parameters as `:name`.
            parameters: values of any text; the database quotes them.
        """

    def size_of_orion(self) -> int:
        """Returns the bytes that Orion's database takes on disk."""

    def address(self, port: str) -> str:
        """Returns the address of the service with this port setting."""

    def has_data(self) -> bool:
        """Returns whether a restore would replace anything."""

    def free_space(self) -> int:
        """Returns the bytes that are free on the disk of the stores."""

    def clear(self) -> None:
        """Stops the platform and deletes what its stores hold."""

    def start_databases(self) -> None:
        """Starts Postgres, and nothing that writes to it."""

    def stop_databases(self) -> None:
        """Stops Postgres if `up` requires it."""

    def put_orion(self, content: IO[bytes]) -> None:
        """Fills Orion's database, which is empty."""

    def unpack(self, service: str, content: IO[bytes]) -> None:
        """Fills the empty data folder of `gcs` or `bigquery` from a compressed tar."""


class Runtime(Protocol):
    """A platform on one runtime. Every command is idempotent and raises CommandError if it fails."""

    name: ClassVar[str]
    """The name in `--runtime` and in reports."""
    infrastructure: ClassVar[str]
    """The infrastructure of this runtime's deployments: `docker` or `process`."""

    @property
    def settings(self) -> Settings:
        """The settings, with the ports that the platform really uses."""

    @property
    def stores(self) -> Stores:
        """The platform's stores."""

    def prepare(self) -> None:
        """Checks the requirements; creates .env and the user's folders."""

    def leave_root(self) -> None:
        """Starts this command again as another user if this is root, and the runtime does not work as root."""

    def require_own(self) -> None:
        """Refuses a platform that belongs to another checkout."""

    def exists(self) -> bool:
        """Returns whether the platform was ever started, and not reset since."""

    def build(self) -> None:
        """Builds what the platform is started from: images or virtual environments."""

    def up(self) -> None:
        """Starts everything; returns when it is usable."""

    def ensure_up(self) -> None:
        """Starts the platform unless all of it is healthy."""

    def ensure_stores(self) -> None:
        """Starts the stores unless they are healthy; no other service need be."""

    def down(self) -> None:
        """Stops everything; data stays."""

    def reset(self) -> None:
        """Stops everything and deletes its data; the caller must have asked the user."""

    def is_up(self) -> bool:
        """Returns whether every service is healthy and matches the settings."""

    def addresses(self) -> str:
        """Lists the addresses of the services that are running, a line each."""

    def service_names(self) -> set[str]:
        """Returns the names of all services, including optional ones."""

    def status(self) -> dict[str, str]:
        """Returns the state of each service in a few words; `healthy` if it is healthy."""

    def show_logs(self, services: Sequence[str], tail: int, follow: bool) -> int:
        """Prints the last lines of the logs, of all services if none is named; returns an exit code."""

    def shell(self) -> int:
        """Opens a shell with the flows' packages and settings; returns its exit code."""

    def psql(self, sql: str = "") -> int:
        """Opens psql on the warehouse, or runs `sql`; returns its exit code, non-zero after an SQL error."""

    def inbox(self) -> str:
        """Returns the messages sent to the chat, one JSON object per line: time, host, text."""

    def run_module(self, service: str, module: str, *arguments: str) -> str:
        """Runs a Python module with the files and variables of a service that is running; returns what it prints."""

    def flows_command(self, module: str, *arguments: str) -> list[str]:
        """Returns the command that runs a Python module with the flows' packages, without the platform."""


def orion_url(settings: Settings) -> str:
    """Returns Orion's address on this machine."""
    return f"http://127.0.0.1:{settings['ORION_PORT']}"


def start_url(settings: Settings) -> str:
    """Returns the start page's address on this machine."""
    return f"http://127.0.0.1:{settings['START_PORT']}"
