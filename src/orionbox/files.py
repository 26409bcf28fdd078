"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a file; until it has that `mode`, its owner alone can read it."""
    partial = path.with_name(f"{path.name}.part")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.chmod(mode)
    os.replace(partial, path)


def write_private(path: Path, text: str) -> None:
    """Writes a file that nobody but its owner ever gets to read."""
    write(path, text, 0o600)
