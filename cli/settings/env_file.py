"""The file .env: a copy of .env.example, with empty values filled in for this machine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from cli.programs import ROOT
from orionbox.errors import BadInputError
from orionbox.files import write_private

EXAMPLE = ROOT / ".env.example"
DOCKER_SOCKET = Path("/var/run/docker.sock")
OLD_NAMES = {"ENGINE": "TASK_RUNNER"}
"""Settings of 0.1.0 that have another name now; old .env files keep working."""
HEADER = "# Written by `make up`; .env.example explains the lines.\n"


def _socket_group() -> str:
    # In Docker Desktop's machine the socket belongs to root, whatever it looks like from outside.
    return str(DOCKER_SOCKET.stat().st_gid) if os.uname().sysname == "Linux" and DOCKER_SOCKET.exists() else "0"


GENERATED: dict[str, Callable[[], str]] = {
    "ORION_DB_PASSWORD": lambda: secrets.token_hex(16),
    "WAREHOUSE_DB_PASSWORD": lambda: secrets.token_hex(16),
    "GATEWAY_PASSWORD": lambda: secrets.token_hex(16),
    # Flows run as the checkout's owner; never as root.
    "FLOWS_UID": lambda: str(ROOT.stat().st_uid or 1000),
    "FLOWS_GID": lambda: str(ROOT.stat().st_gid or 1000),
    "DOCKER_GID": _socket_group,
}


def fill_in(values: Mapping[str, str]) -> dict[str, str]:
    """Returns the values, with a generated one for each that is empty: passwords, user and group."""
    return {name: value or GENERATED.get(name, str)() for name, value in values.items()}


def save(values: Mapping[str, str], path: Path = ROOT / ".env") -> bool:
    """Writes .env, or adds the settings that it lacks or leaves empty; returns whether it was written.

    This keeps a setting typed for the first `make up`: `make up ORION_PORT=4300` creates a platform that keeps port
    4300.

    Args:
        values: every setting, complete.
        path: the file.
    """
    stored = parse_if_exists(path)
    missing = [f"{name}={value}\n" for name, value in values.items() if not stored.get(name)]
    if not missing:
        return False
    present = path.read_text(encoding="utf-8").splitlines() if stored else []
    complete = [f"{line}\n" for line in present if not (line.rstrip().endswith("=") and line.split("=")[0] in values)]
    write_private(path, "".join([*(complete or [HEADER]), *missing]))
    return True


def parse_if_exists(path: Path) -> dict[str, str]:
    """Returns the file's variables; none if there is no file."""
    return parse(path) if path.exists() else {}


def parse(path: Path) -> dict[str, str]:
    """Returns the file's variables, those with a name of 0.1.0 under today's.

    Raises:
        BadInputError: a line is not `NAME=value`, or the file is not text.
    """
    variables = {}
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path.name}: not UTF-8 text ({error})", "save it as UTF-8") from error
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.isidentifier():
            raise BadInputError(
                f"{path.name}, line {number}: {line!r} is not NAME=value", "correct the line, or delete it"
            )
        variables[OLD_NAMES.get(name, name)] = value.strip()
    return variables


def version() -> str:
    """Returns the version of Orionbox in this checkout, which is the tag of its images."""
    return parse(ROOT / "compose/versions.env")["ORIONBOX_TAG"]
