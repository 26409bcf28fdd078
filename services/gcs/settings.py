"""What the server is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """The server's settings.

    Attributes:
        folder: the data folder.
        creates_buckets: whether a write to a bucket that does not exist creates it (CREATE_BUCKETS).
        key_files: service accounts' key files, or folders of them, whose signatures count (SIGNING_KEYS).
        injects_faults: whether clients may ask for faults with /retry_test (RETRY_TESTS).
    """

    folder: Path
    creates_buckets: bool = True
    key_files: tuple[Path, ...] = ()
    injects_faults: bool = False


def from_environment(folder: Path, environment: Mapping[str, str]) -> Settings:
    """Return the settings for a data folder."""
    paths = [Path(path) for path in environment.get("SIGNING_KEYS", "").split(":") if path]
    creates, faults = environment.get("CREATE_BUCKETS", "yes"), environment.get("RETRY_TESTS", "no")
    return Settings(folder, creates == "yes", tuple(paths), faults == "yes")
