"""Which database server an address of the course's means here: the platform's warehouse.

The course's code of weeks 1 and 2 connects to `localhost:5432`, `localhost:5433` or `pgdatabase:5432` as `root:root` or
`postgres:admin`. In a container, localhost is the container itself, and no server of the platform knows these users.
So the drivers (`orionbox.student_shell.drivers`) ask here first. Nothing changes in the server: the course's users
exist in the platform's own shell and runs only, and their rights are those of the warehouse's own role.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from orionbox.errors import CommandError
from orionbox.orion import names
from orionbox.orion.client import ONE_TRY, Orion

THIS_MACHINE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")
OTHER_NAMES = ("pgdatabase", "pg-database", "pg_database", "postgres", "database", "db", "host.docker.internal")
"""What the course's Compose files, its notes and its students call the database's container."""
PORTS = ("5432", "5433")
"""The course's ports. With one of its users, any port may be meant, such as the one that `make up` printed."""
USERS, PASSWORDS = ("root", "postgres"), ("", "root", "admin", "postgres")
"""The course's users, with any of its passwords."""
DEFAULTS = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
"""The variables that libpq reads for what an address leaves out."""
PATIENCE = 1
"""Seconds for a server on this machine to accept a connection."""


@dataclass(frozen=True)
class Warehouse:
    """The platform's warehouse, as the block of the bootstrap describes it."""

    host: str
    port: str
    user: str
    password: str


def changes(
    asked: Mapping[str, object],
    find: Callable[[], Warehouse | None] | None = None,
    answers: Callable[[str, str], bool] | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, str]:
    """Returns what to change in the address of a database server so that it leads to the warehouse; usually nothing.

    Args:
        asked: libpq's parameters; host, port, user and password count.
        find: returns the warehouse, or None if Orion does not answer.
        answers: returns whether a server listens there.
        say: prints a line.
    """
    find, answers, say = find or find_warehouse, answers or does_answer, say or say_once
    values = {name: str(asked.get(name) or os.environ.get(variable, "")) for name, variable in DEFAULTS.items()}
    host, port = values["host"] or "localhost", values["port"] or "5432"
    is_here = host in THIS_MACHINE or host.startswith("/")
    is_course_user = values["user"] in USERS and values["password"] in PASSWORDS
    is_meant = (is_here or host in OTHER_NAMES) and (port in PORTS or is_course_user)
    if asked.get("hostaddr") or not is_meant:
        return {}
    is_taken = is_here and answers("localhost" if host.startswith("/") else host, port)
    if not is_course_user and (is_taken or host == "postgres"):
        return {}
    warehouse = find()
    if not warehouse:
        return {}
    if is_taken and not (warehouse.host in THIS_MACHINE and warehouse.port == port):
        say(
            f"{host}:{port} is a server of this machine's own; the platform's warehouse is "
            f"{warehouse.host}:{warehouse.port}, block {names.POSTGRES}"
        )
        return {}
    found = {"host": warehouse.host, "port": warehouse.port}
    if is_course_user:
        found.update(user=warehouse.user, password=warehouse.password)
    user = f" as {warehouse.user}" if is_course_user else ""
    say(f"{host}:{port} is the platform's warehouse here: {warehouse.host}:{warehouse.port}{user}")
    return found


def say_once(text: str, said: set[str] = set()) -> None:  # noqa: B006
    """Prints a line on standard error, and never again in this process."""
    if text not in said:
        said.add(text)
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def does_answer(host: str, port: str) -> bool:
    """Returns whether a server listens there."""
    try:
        with socket.create_connection((host, int(port)), PATIENCE):
            return True
    except OSError:
        return False


@lru_cache(maxsize=1)
def find_warehouse() -> Warehouse | None:
    """Returns the warehouse from its block in Orion; None if Orion does not answer, or has no such block."""
    url = os.environ.get("ORION_API_URL") or os.environ.get("PREFECT_API_URL", "")
    if not url:  # outside the platform
        return None
    try:
        info = Orion(url.removesuffix("/").removesuffix("/api"), ONE_TRY).call(names.WAREHOUSE_PATH)["data"][
            "connection_info"
        ]
        return Warehouse(str(info["host"]), str(info["port"]), str(info["username"]), str(info["password"]))
    except (CommandError, KeyError, TypeError, ValueError) as error:
        say_once(f"the warehouse's address is not known: {error}")
        return None
