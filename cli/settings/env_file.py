"""The file .env: a copy of .env.example, with empty values filled in for this machine."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cli.programs import ROOT
from orionbox import file_errors
from orionbox.errors import BadInputError, CommandError
from orionbox.files import exclusive, write_private

EXAMPLE = ROOT / ".env.example"
DOCKER_SOCKET = Path("/var/run/docker.sock")
OLD_NAMES = {"ENGINE": "TASK_RUNNER"}
"""Settings of 0.1.0 that have another name now; old .env files keep working."""
LARGEST = 1_000_000
"""Bytes that a file of settings may have."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks."""
QUOTED = re.compile(r"""(?:'([^']*)'|"((?:\\.|[^"\\])*)")(?:\s+#.*)?""")
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


def save(
    values: Mapping[str, str],
    path: Path = ROOT / ".env",
    typed: Collection[str] = (),
    defaults: Mapping[str, str] | None = None,
) -> set[str]:
    """Writes .env, or adds the settings that it lacks or leaves empty; returns the names of those that it has written.

    This keeps a setting typed for the first `make up`: `make up ORION_PORT=4300` creates a platform that keeps port
    4300. Typed later, it is for that command alone, also where the file lacks the setting. A link stays a link.

    Args:
        values: every setting, complete.
        path: the file.
        typed: names of those that the user typed; these may differ from the file.
        defaults: the settings of .env.example; a file that exists gets these in place of typed ones.

    Raises:
        CommandError: another command has written other passwords since this one read the file.
    """
    with exclusive(Path(__file__)):
        lines = list(_read_lines(path)) if os.path.lexists(path) else []
        stored = _variables(lines)
        # A setting may be empty for good, as GENERATED_ROWS is
        kept = {name: (defaults or {}).get(name, "") for name in typed} if lines else {}
        missing = {
            name: kept.get(name) or value
            for name, value in values.items()
            if not stored.get(name, "") and stored.get(name) != value
        }
        if any(stored.get(name) not in ("", None, values.get(name)) for name in GENERATED.keys() - set(typed)):
            raise CommandError(f"another command has written {path.name} just now", "run this command again")
        if missing:
            complete = [f"{line.text}\n" for line in lines if line.value or line.name not in missing]
            added = [f"{name}={value}\n" for name, value in missing.items()]
            write_private(Path(os.path.realpath(path)), "".join([*(complete or [HEADER]), *added]))
        return set(missing)


class Line(NamedTuple):
    """A line of the file, and the setting in it; the name of a comment is empty."""

    text: str
    name: str = ""
    value: str = ""


def export(names: Collection[str], path: Path = ROOT / ".env") -> None:
    """Adds these variables of .env to the environment, as Compose does; those that the user has set there win."""
    for name, value in parse_if_exists(path).items():
        if name in names and value:
            os.environ.setdefault(name, value)


def parse_if_exists(path: Path) -> dict[str, str]:
    """Returns the file's variables; none if there is no file."""
    return parse(path) if os.path.lexists(path) else {}


def parse(path: Path) -> dict[str, str]:
    """Returns the file's variables, those with a name of 0.1.0 under today's. Of two equal names the last one counts.

    This reads what shells and Compose read: `export NAME=value`, quotes, comments after a value. It takes any line
    ending and a byte order mark. It replaces no `$NAME`.

    Raises:
        BadInputError: a line is not `NAME=value`, or the file cannot be read or is not text.
    """
    return _variables(_read_lines(path))


def _variables(lines: Iterable[Line]) -> dict[str, str]:
    return {OLD_NAMES.get(line.name, line.name): line.value for line in lines if line.name}


def _read_lines(path: Path) -> Iterator[Line]:
    content = _read(path)
    for number, text in enumerate(re.split(r"\r\n|\n|\r", content.rstrip("\r\n")) if content else (), start=1):
        line = text.strip()
        if not line or line.startswith("#"):
            yield Line(text)
            continue
        name, equals, value = re.sub(r"^export\s+", "", line).partition("=")
        if not equals or not name.rstrip().isidentifier():
            raise _wrong_line(path, number, f"{line!r} is not NAME=value")
        yield Line(text, name.rstrip(), _value(value, path, number))


def _value(text: str, path: Path, number: int) -> str:
    """Returns the value without its quotes, or without the comment after it."""
    if text.strip()[:1] not in ("'", '"'):
        return re.split(r"\s#", text)[0].strip()
    quoted = QUOTED.fullmatch(text.strip())
    if not quoted:
        raise _wrong_line(path, number, "the quotes do not enclose the value")
    return quoted[1] or re.sub(r'\\(["\\$`])', r"\1", quoted[2] or "")


def _wrong_line(path: Path, number: int, what: str) -> BadInputError:
    return BadInputError(f"{path.name}, line {number}: {what}", "correct the line, or delete it")


def _read(path: Path) -> str:
    """Returns the text of the file."""
    name = path.name
    try:
        if not path.exists() and path.is_symlink():
            raise BadInputError(f"{name} is a link to {os.readlink(path)}, which does not exist", "create that file")
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "not a file"
            raise BadInputError(f"{name} is {what}", "move it away; the next make up writes a file")
        if path.stat().st_size > LARGEST:
            raise BadInputError(f"{name} is too large for a file of settings", "move it away")
        content = path.read_bytes()
    except OSError as error:
        known = file_errors.explain(error, ROOT, "read") or CommandError(str(error))
        raise BadInputError(known.text, known.fix) from error
    if content.startswith(UTF_16):
        raise BadInputError(f"{name}: UTF-16 text, not UTF-8", "save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"{name}: not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8"
        ) from error
    if "\0" in text:
        raise BadInputError(f"{name}: not UTF-8 text (it has bytes of zero)", "restore it, or move it away")
    return text


def version() -> str:
    """Returns the version of Orionbox in this checkout, which is the tag of its images."""
    return parse(ROOT / "compose/versions.env")["ORIONBOX_TAG"]
