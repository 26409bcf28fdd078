"""The file .env: made from .env.example, with what is empty there filled in for this machine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cli.programs import ROOT
from cli.settings import env_file
from orionbox.errors import BadInputError
from orionbox.files import write_private

DOCKER_SOCKET = Path("/var/run/docker.sock")


def _socket_group() -> str:
    # In Docker Desktop's machine the socket belongs to root, whatever it looks like from outside.
    return str(DOCKER_SOCKET.stat().st_gid) if os.uname().sysname == "Linux" and DOCKER_SOCKET.exists() else "0"


def _owner() -> os.stat_result:
    return ROOT.stat()


GENERATED: dict[str, Callable[[], str]] = {
    "ORION_DB_PASSWORD": lambda: secrets.token_hex(16),
    "WAREHOUSE_DB_PASSWORD": lambda: secrets.token_hex(16),
    "GATEWAY_PASSWORD": lambda: secrets.token_hex(16),
    # Flows run as the checkout's owner; never as root.
    "FLOWS_UID": lambda: str(_owner().st_uid or 1000),
    "FLOWS_GID": lambda: str(_owner().st_gid or 1000),
    "DOCKER_GID": _socket_group,
}


def ensure(path: Path = ROOT / ".env", example: Path = ROOT / ".env.example") -> bool:
    """Writes .env, or adds to it what a newer .env.example has; True if it was written.

    A variable of the environment wins over the example's value, so `ORION_PORT=4300 make up` makes a platform that
    stays on port 4300.
    """
    present = parse(path) if path.exists() else {}
    lines = [] if present else ["# Written by `make up`; see .env.example for what the lines mean.\n"]
    for key, value in parse(example).items():
        if not present.get(key):
            value = os.environ.get(key) or value or GENERATED[key]()
            lines.append(f"{key}={value}\n")
    if present and not lines:
        return False
    kept = [line for line in _lines(path) if not _is_empty_setting(line, example)] if present else []
    write_private(path, "".join(kept + lines))
    return True


def _lines(path: Path) -> list[str]:
    return [line + "\n" for line in path.read_text(encoding="utf-8").splitlines()]


def _is_empty_setting(line: str, example: Path) -> bool:
    return line.rstrip().endswith("=") and line.split("=")[0] in parse(example)


def parse(path: Path) -> dict[str, str]:
    """The file's variables.

    Raises:
        BadInputError: a line is not `NAME=value`, or the file is no text.
    """
    variables = {}
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path.name}: not UTF-8 text ({error}); save it as UTF-8") from error
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.isidentifier():
            raise BadInputError(f"{path.name}, line {number}: {line!r} is not NAME=value; correct or delete the line")
        variables[name] = value.strip()
    return variables


def load() -> dict[str, str]:
    """The settings in force: those of .env, and above them those of the environment, as compose sees them.

    What .env does not have yet is as in .env.example, which it will be made from.
    """
    settings = parse(ROOT / ".env.example")
    if (ROOT / ".env").exists():
        settings |= parse(ROOT / ".env")
    return {name: os.environ.get(name) or value for name, value in settings.items()}


def version() -> str:
    """The version of Orionbox in this checkout."""
    return env_file.parse(ROOT / "compose/versions.env")["ORIONBOX_TAG"]
