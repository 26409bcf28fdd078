"""Finds a bundle: the way to images on a machine without a network."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cli.archive.archive import BUNDLE
from cli.doctor.machine import Machine
from cli.settings import env_file

NAME = re.compile(r"orionbox-(\d+\.\d+\.\d+)\b.*\.tar")
"""The name of a bundle, also of one that a browser has numbered; backups have the date in this place."""


def find_bundle(machine: Machine) -> Path | None:
    """Returns a bundle on this machine or on a stick, one of this version first; None if there is none."""
    found = [file for folder in _folders(machine) for file in _bundles(folder)]
    of_this_version = [file for file in found if (match := NAME.match(file.name)) and match[1] == env_file.version()]
    return next(iter(of_this_version or found), None)


def command(machine: Machine, bundle: Path) -> str:
    """Returns the command that imports a bundle."""
    inside = machine.root in bundle.parents
    return f"make load FILE={shlex.quote(str(bundle.relative_to(machine.root) if inside else bundle))}"


def _folders(machine: Machine) -> Iterator[Path]:
    """Yields where a bundle may be: here, where this checkout was unpacked from one, or on a stick."""
    yield machine.root / BUNDLE.directory
    yield machine.root
    yield machine.root.parent
    yield machine.root.parent.parent
    yield machine.home
    yield machine.home / "Downloads"
    for folder in machine.media:
        # A stick is at /media/NAME or /media/USER/NAME, and may have the bundle in a folder
        yield from (each for depth in ("*", "*/*", "*/*/*") for each in _list(folder, depth) if each.is_dir())


def _bundles(folder: Path) -> list[Path]:
    return [file for file in _list(folder, "*.tar") if NAME.fullmatch(file.name)]


def _list(folder: Path, pattern: str) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.glob(pattern))
    return []
