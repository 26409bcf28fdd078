"""The checkout's own files: tests look at these, and never at what a user keeps in workspace/, data/ or reports/."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cli.bundle import checkout_copy
from tests.conftest import ROOT


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that git knows or would add."""
    return tuple(path for name in checkout_copy.list_sources() if (path := ROOT / name).is_file())


def tracked(name: str) -> list[Path]:
    """Those of that file name, for example `Dockerfile`."""
    return [path for path in tracked_files() if path.name == name]
