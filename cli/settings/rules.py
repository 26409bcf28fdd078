"""Whether the settings in force, those of .env and above them the environment's, are what they have to be."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Callable

from cli.programs import ROOT
from cli.settings import env_file
from orionbox.errors import BadInputError


@dataclass(frozen=True)
class Kind:
    """What a value must be; `pattern` is a regular expression for all of it."""

    pattern: str
    what: str
    also: Callable[[str], bool] = lambda value: True

    def fits(self, value: str) -> bool:
        """Whether the value is of this kind."""
        return bool(re.fullmatch(self.pattern, value, re.ASCII)) and self.also(value)


def _is_ipv4(value: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(value))
    except ValueError:
        return False


PORT = Kind(r"[1-9]\d{0,4}", "a port; use a number from 1 to 65535, like 4200", lambda value: int(value) < 65536)
SIZE = Kind(r"[1-9]\d{0,5}[mg]", "a size of memory; use for example 512m or 2g")
NUMBER = Kind(r"\d{1,10}", "a number; delete the line, and the next command finds the right one")
# It stands in addresses and in SQL as it is
PASSWORD = Kind(r"[\w.~-]{1,128}", "a password that fits into an address; use letters, digits and . _ ~ - only")
# It stands between strangers and the platform
LONG_PASSWORD = Kind(r"[\w.~-]{16,128}", "a password of 16 to 128 characters; use letters, digits and . _ ~ - only")
KINDS = {
    "COMPOSE_PROJECT_NAME": Kind(
        r"[a-z0-9][a-z0-9_-]{0,62}", "a name for Docker; use a-z, 0-9, _ and -, like orionbox2"
    ),
    "ORION_DB_PASSWORD": PASSWORD,
    "WAREHOUSE_DB_PASSWORD": PASSWORD,
    "BIND_ADDRESS": Kind(
        r"[0-9.]+",
        "an IPv4 address; use 127.0.0.1 for this machine alone, one of its own for others too, or 0.0.0.0 for all",
        _is_ipv4,
    ),
    "GATEWAY_PASSWORD": LONG_PASSWORD,
    "GCP_PROJECT": Kind(r"[a-zA-Z0-9][\w:.-]{0,62}", "the name of a project; use for example orionbox-local"),
    "CLOUD": Kind("emulators|gcp", "one of emulators, gcp"),
    # https://cloud.google.com/storage/docs/buckets#naming
    "GCP_BUCKET": Kind(
        r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]",
        "a bucket's name; use 3 to 63 of a-z, 0-9, - and _, like ada-taxi-data",
    ),
    "GCP_KEY_FILE": Kind(r"\S(.*\S)?", "the name of a file; use for example secrets/my-google-key.json"),
    "FLOWS_UID": NUMBER,
    "FLOWS_GID": NUMBER,
    "DOCKER_GID": NUMBER,
    "RUN_MEMORY": SIZE,
    "INTERNET": Kind("offline|real", "one of offline, real"),
    "ENGINE": Kind("threads|dask", "an engine; use one of threads, dask"),
    "WORKERS": Kind("[1-9][0-9]?", "a number of workers; use 1 to 99, like WORKERS=2"),
    "WORKER_MEMORY": SIZE,
    "DASK_SCHEDULER_ADDRESS": Kind(r"(tcp|tls|ws|wss)://\S+:\d+", "an address like tcp://dask-scheduler:8786"),
}
OTHERS = ("COMPOSE_", "DOCKER_", "BUILDKIT_")
"""Beginnings of what Docker itself reads from .env."""


def kind_of(name: str) -> Kind | None:
    """What the setting must be; None for one that there is not."""
    return PORT if name.endswith("_PORT") else KINDS.get(name)


def check() -> None:
    """Looks at every setting.

    Raises:
        BadInputError: one is not what it has to be, or .env has one that there is not.
    """
    known = env_file.parse(ROOT / ".env.example")
    for name in env_file.parse(ROOT / ".env") if (ROOT / ".env").exists() else ():
        if name not in known and not name.startswith(OTHERS):
            similar = difflib.get_close_matches(name, known, 1)
            remedy = (
                f"did you mean {similar[0]}?" if similar else "delete the line; .env.example has all that there are"
            )
            raise BadInputError(f".env: {name} is no setting; {remedy}")
    for name, value in env_file.load().items():
        kind = kind_of(name)
        if value and kind and not kind.fits(value):
            shown = "…" if kind in (PASSWORD, LONG_PASSWORD) else value
            raise BadInputError(f"{where(name)}={shown}: not {kind.what}")


def where(name: str) -> str:
    """Where the setting was made, for a message: `NAME` as typed, or `.env: NAME`."""
    return name if os.environ.get(name) else f".env: {name}"
