"""The server's settings from its environment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
_SIZE = re.compile(r"(\d{1,12})\s*([KMG]?)B?", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """What the server and its statements may use.

    Attributes:
        total: Bytes of memory of the whole server; 0 for what the container has, or half of what the machine has.
        memory: Bytes that DuckDB may have of it; 0 for a third.
        spill: Bytes on disk for what exceeds them.
        seconds: How long a statement may take.
        result: Bytes of a result.
        row: Bytes of a row of a result; Google's limit.
        statements: How many run at once; the others wait.
        least_free: Bytes of the disk that stay free.
        folders: Where DuckDB may read files, besides its own.
        is_enforced: Whether `total` holds for all of this process.
    """

    total: int = 0
    memory: int = 0
    spill: int = 2 * 2**30
    seconds: float = 360
    result: int = 2 * 2**30
    row: int = 100 * 2**20
    statements: int = 20
    least_free: int = 500_000_000
    folders: Sequence[Path] = ()
    is_enforced: bool = False


@dataclass(frozen=True)
class Settings:
    """A server's settings.

    Attributes:
        folder: Of its data.
        module: Of the compiled SQL module.
        bucket: Of the Cloud Storage server's objects.
        storage: The Cloud Storage server's address; empty if there is none.
        grpc: HOST:PORT of the Storage API; empty for none.
        shares_projects: Whether a statement finds the tables of other projects under its own project's id, too.
        limits: Of the server and its statements.
    """

    folder: Path
    module: Path
    bucket: Path
    storage: str = ""
    grpc: str = ""
    shares_projects: bool = False
    limits: Limits = Limits()


class WrongSettingError(ValueError):
    """A variable has a value that it cannot have."""


def limits_from(environment: Mapping[str, str]) -> Limits:
    """The limits that `BIGQUERY_MEMORY` and its like set.

    Raises:
        WrongSettingError: One has another form.
    """
    own = Limits()
    return Limits(
        total=_bytes(environment, "BIGQUERY_MEMORY", own.total, 512 * 2**20),
        spill=_bytes(environment, "BIGQUERY_SPILL", own.spill),
        seconds=_number(environment, "BIGQUERY_SECONDS", int(own.seconds), 86_400),
        result=_bytes(environment, "BIGQUERY_RESULT", own.result),
        statements=_number(environment, "BIGQUERY_STATEMENTS", own.statements, 100),
        least_free=_bytes(environment, "BIGQUERY_LEAST_FREE", own.least_free),
        is_enforced=True,
    )


def _bytes(environment: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    found = _SIZE.fullmatch(text)
    if not found:
        raise WrongSettingError(f"{name}={text[:50]}: not a size; use for example {name}=700M or {name}=2G")
    size = int(found[1]) * UNITS[found[2].upper()]
    if size < least:
        raise WrongSettingError(f"{name}={text[:50]}: the server needs at least {least // 2**20}M")
    return size


def _number(environment: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"\d{1,6}", text) or not 0 < int(text) <= most:
        raise WrongSettingError(f"{name}={text[:50]}: not a number from 1 to {most}")
    return int(text)
