"""The identity of a checkout, and the record of its platforms, in its folder `.ports/`.

`.ports/checkout.json` holds a random id and the folder in which this checkout last started a platform. A moved checkout
keeps its id; a copy gets one of its own. `.ports/NAME-RUNTIME.json` exists from a platform's first start to its reset.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from orionbox.files import exclusive, report_file_errors, write

FOLDER = ".ports"
FILE = "checkout.json"
COMPOSE, EMBEDDED = RUNTIMES = ("compose", "embedded")
"""The runtimes whose platforms are recorded."""


@dataclass(frozen=True)
class Identity:
    """What tells this checkout from every other one."""

    root: Path
    id: str = ""
    """Empty if no platform was ever started here."""
    moved_from: str = ""
    """Where it last started a platform, if that was in another folder."""
    copied_from: str = ""
    """The checkout that it is a copy of, as long as it has no id of its own."""


class Record(NamedTuple):
    """A platform that this checkout has."""

    platform: str
    runtime: str


def read(root: Path) -> Identity:
    """Reads the identity of the checkout at `root`; writes nothing."""
    id_, folder = _stored(root)
    if not id_ or folder == str(root):
        return Identity(root, id_)
    # Another path to this folder, by a link or a mount, is not another checkout
    if has_id(folder, id_) and not _is_same_folder(folder, root):
        return Identity(root, copied_from=folder)
    return Identity(root, id_, moved_from=folder)


def ensure_id(root: Path) -> Identity:
    """Returns the identity, after creating an id if there is none, or if this is a copy of another checkout."""
    with exclusive(root):
        found = read(root)
        if found.id:
            return found
        if found.copied_from:  # its containers and volumes belong to the other one; .embedded/ was copied
            for file in (root / FOLDER).glob(f"*-{COMPOSE}.*"):
                file.unlink()
        return _store(Identity(root, secrets.token_hex(8)))


def settle(root: Path) -> Identity:
    """Stores that the checkout starts its platforms in this folder now."""
    found = ensure_id(root)
    return _store(replace(found, moved_from="")) if found.moved_from else found


def has_id(folder: str, id_: str) -> bool:
    """Returns whether the checkout in `folder` has that id; True if this user may not look."""
    try:
        return _stored(Path(folder))[0] == id_
    except PermissionError:
        return True


def record(file: Path) -> bool:
    """Records a platform in its file; returns whether it was not recorded before."""
    is_new = not file.exists()
    if is_new:
        with report_file_errors(f"{file.name} was not written"):
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, "{}\n")
    return is_new


def forget(file: Path) -> None:
    """Deletes the record of a platform; with the last one also the checkout's id."""
    file.unlink(missing_ok=True)
    folder = file.parent
    if not _records_in(folder):
        (folder / FILE).unlink(missing_ok=True)
        with suppress(OSError):  # missing, or somebody keeps a file there
            folder.rmdir()


def records(root: Path) -> list[Record]:
    """Returns the platforms of the checkout; a copy has none of the original's on Docker."""
    is_copy = bool(read(root).copied_from)
    return [found for found in _records_in(root / FOLDER) if not (is_copy and found.runtime == COMPOSE)]


def _records_in(folder: Path) -> list[Record]:
    names = [file.stem.rpartition("-") for file in sorted(folder.glob("*.json"))]
    return [Record(platform, runtime) for platform, _, runtime in names if runtime in RUNTIMES]


def _stored(root: Path) -> tuple[str, str]:
    """Returns the stored id and folder; empty ones if there are none.

    Raises:
        PermissionError: this user may not read the file.
    """
    try:
        content = json.loads((root / FOLDER / FILE).read_text(encoding="utf-8"))
        return str(content["id"]), str(content["folder"])
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError):  # missing, or not written by this module
        return "", ""


def _store(identity: Identity) -> Identity:
    file = identity.root / FOLDER / FILE
    with report_file_errors("the id of this checkout was not written"):
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, json.dumps({"id": identity.id, "folder": str(identity.root)}, indent=2) + "\n")
    return identity


def _is_same_folder(folder: str, root: Path) -> bool:
    with suppress(OSError):
        return os.path.samefile(folder, root)
    return False
