"""Files that may be packed with gzip, which BigQuery unpacks by their content."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any, cast

_MAGIC = b"\x1f\x8b"


def open_unpacked(file: Path) -> io.BufferedReader[Any]:
    """Opens a file; what is packed with gzip is read unpacked."""
    with file.open("rb") as packed:
        is_packed = packed.read(2) == _MAGIC
    if is_packed:
        return io.BufferedReader(cast(io.RawIOBase, gzip.open(file, "rb")), 2**20)
    return io.BufferedReader(file.open("rb", buffering=0), 2**20)
