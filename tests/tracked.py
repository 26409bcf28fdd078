"""The checkout's own files. Tests read these, and never a user's files in workspace/, data/ or reports/."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cli.bundle import checkout_copy
from tests.conftest import ROOT


@cache
def tracked_files() -> tuple[Path, ...]:
    """Returns every file that git tracks or would add."""
    return tuple(path for name in checkout_copy.list_sources() if (path := ROOT / name).is_file())


def files_named(name: str) -> list[Path]:
    """Returns the files with that name, for example `Dockerfile`."""
    return [path for path in tracked_files() if path.name == name]
