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
        key_file: a service account's key file, or a folder of them: their signatures count (SIGNING_KEYS).
        injects_faults: whether clients may ask for faults with /retry_test (RETRY_TESTS).
    """

    folder: Path
    creates_buckets: bool = True
    key_file: Path | None = None
    injects_faults: bool = False


def from_environment(folder: Path, environment: Mapping[str, str]) -> Settings:
    """Return the settings for a data folder."""
    keys = environment.get("SIGNING_KEYS", "")
    creates, faults = environment.get("CREATE_BUCKETS", "yes"), environment.get("RETRY_TESTS", "no")
    return Settings(folder, creates == "yes", Path(keys) if keys else None, faults == "yes")
