"""Why a start failed: the last words of the services, and what to do about those that are known."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.programs import ROOT, last_lines
from orionbox.errors import CommandError

PORT_IN_USE, DATA_LOCKED, SHARED_MEMORY, OTHER_VERSION = "port in use", "data locked", "shared memory", "other version"
DISK_FULL, OUT_OF_MEMORY, READ_ONLY, PERMISSION = "disk full", "out of memory", "read-only", "permission"
NO_DATABASE, PASSWORD, CERTIFICATES, LIBRARY = "no database", "password", "certificates", "library"
DAMAGED, OPEN_FILES, PROCESSOR = "damaged", "open files", "processor"
LINES = 15
"""Lines of a log to show for a failed service."""
LOW_DISK, FULL_DISK = 200 * 1024 * 1024, 4 * 1024 * 1024
"""Bytes of free disk below which a failed start mentions it, and below which there is no use in waiting."""
DOCKER_FOLDER = Path("/var/lib/docker")
"""Where Docker keeps its volumes, unless it runs in a virtual machine or its administrator has moved them."""
FREE_SPACE = "the disk is full: free some space (df -h shows it), then run make up"
SEE_MORE = "see more with: make logs SERVICE={}"


@dataclass(frozen=True)
class KnownFailure:
    """Last words that are known, and what to do about them."""

    kind: str
    pattern: str
    """A regular expression for a line of a log, or a container's state."""
    fix: str
    """What to do next; `{}` stands for a group of the pattern."""


_TO_OTHER_VERSION = (
    "the data is from another version of Orionbox: start that version, whose PostgreSQL is {0}, on this data and run "
    "make backup; then run here: make reset, make restore FILE=..."
)
_TO_BACKUP = "put back a backup: make reset, then make restore FILE=... (without a backup: make reset, then make up)"
_TO_NEWER = "the data is from a newer Orionbox: use that version, or make reset, which deletes the data"
_TO_MEMORY = "memory ran out: end other programs, or give Docker or this machine more memory (make doctor shows it)"

KNOWN = (
    # PostgreSQL's words for a limit of shared memory may end with "No space left on device": so this comes first
    KnownFailure(
        SHARED_MEMORY,
        r"could not (?:resize|map|create|open|attach to) (?:\w+ )?shared memory|No space left on device.*/dev/shm"
        r"|/dev/shm.*No space left on device",
        "this machine allows too little shared memory: look at df -h /dev/shm (in a container: --shm-size=256m), free "
        "memory and sysctl kernel.shmmax kernel.shmall",
    ),
    KnownFailure(
        PORT_IN_USE,
        r"address already in use|port is already allocated|ports are not available|failed to bind to address",
        "take other ports: make down, then make up; or end the program that uses the port (make doctor names it)",
    ),
    KnownFailure(OTHER_VERSION, r"was written by PostgreSQL ([\d.]+), and this is PostgreSQL", _TO_OTHER_VERSION),
    KnownFailure(OTHER_VERSION, r"initialized by PostgreSQL version ([\d.]+), which is not", _TO_OTHER_VERSION),
    # Alembic, behind Orion, and DuckDB, behind BigQuery's emulator
    KnownFailure(OTHER_VERSION, r"Can't locate revision identified by", _TO_NEWER),
    KnownFailure(OTHER_VERSION, r"database file with version number \d+, but we can only read", _TO_NEWER),
    KnownFailure(
        DATA_LOCKED,
        r"Could not set lock on file|lock file \"?[\w.]+\"? already exists|database is locked|is already running$"
        r"|pre-existing shared memory block",
        "another process uses this platform's data: end it (its id is in the lines above), then run make up",
    ),
    KnownFailure(
        DISK_FULL,
        r"No space left on device|database or disk is full|disk quota exceeded|not enough space",
        FREE_SPACE,
    ),
    KnownFailure(
        OUT_OF_MEMORY,
        r"\((?:137|terminated by SIGKILL)\b|out of memory|MemoryError|Cannot allocate memory|std::bad_alloc",
        _TO_MEMORY,
    ),
    KnownFailure(
        READ_ONLY,
        r"Read-only file system",
        "the file system is read-only: move the checkout to a disk that can be written",
    ),
    KnownFailure(
        CERTIFICATES,
        r"load_verify_locations|invalid path: .*\.(?:pem|crt)|find a suitable TLS CA certificate bundle",
        "SSL_CERT_FILE, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that does not exist: unset that variable",
    ),
    KnownFailure(
        PERMISSION,
        r"Permission denied|PermissionError|Operation not permitted|has (?:wrong ownership|invalid permissions)",
        'a file belongs to another user, or its mode forbids it: sudo chown -R "$USER" . gives you this checkout',
    ),
    KnownFailure(NO_DATABASE, r'(?:database|role) "\w+" does not exist', f"Postgres is incomplete: {_TO_BACKUP}"),
    KnownFailure(
        PASSWORD,
        r"password authentication failed|InvalidPasswordError",
        "Postgres takes its passwords from .env when it starts: make down, then make up",
    ),
    KnownFailure(
        LIBRARY,
        r"error while loading shared libraries: ([^:\s]+)|Library not loaded: (\S+)"
        r"|([^:\s]+): cannot open shared object file",
        "this system lacks the library {0}: install it with your package manager, or use Docker",
    ),
    KnownFailure(
        LIBRARY,
        r"version `(GLIBC\w*_[\d.]+)' not found",
        "this system is too old: {0} is missing; use Docker, or a newer system",
    ),
    KnownFailure(
        DAMAGED,
        r"database disk image is malformed|could not locate a valid checkpoint record|invalid page in block"
        r"|file is not a database|Corrupt database file|not a valid DuckDB database file",
        f"the data is damaged: {_TO_BACKUP}",
    ),
    KnownFailure(OPEN_FILES, r"Too many open files", "too few files may be open: ulimit -n 4096, then run make up"),
    KnownFailure(
        PROCESSOR,
        r"exec format error",
        "the images are for another processor: remove them with docker rmi, then run make up",
    ),
)


@dataclass(frozen=True)
class LastWords:
    """How a service is, and what it printed last."""

    service: str
    state: str
    """In a few words, for example `restarting, exited 3 times`."""
    log: str = ""
    health: str = ""
    """What its health check says; empty if it says nothing."""

    def __str__(self) -> str:
        lines = [f"  {self.service} ({self.state}):", last_lines(self.log, LINES)]
        if self.health:
            lines.append(last_lines(f"health check: {self.health}", 3))
        elif not self.log.strip():
            lines.append("    its log is empty")
        return "\n".join(filter(None, lines))


class StartError(CommandError):
    """A start that failed.

    Args:
        text: what has failed, with the last words of each service.
        fix: what to do next.
        kinds: the kinds of failures that were recognized, for example PORT_IN_USE.
    """

    def __init__(self, text: str, fix: str = "", kinds: frozenset[str] = frozenset()) -> None:
        super().__init__(text, fix)
        self.kinds = kinds


@dataclass
class _Fixes:
    """What to do, each advice once."""

    kinds: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)

    def add(self, kind: str, fix: str) -> None:
        self.kinds.add(kind)
        if fix not in self.lines:
            self.lines.append(fix)


def start_error(words: Sequence[LastWords], folders: Iterable[Path] = (), reason: str = "") -> StartError:
    """Returns the error of a start in which these services have failed.

    Args:
        words: the last words of each.
        folders: where the services keep their data; a disk without space is mentioned.
        reason: continues "the platform did not start".
    """
    fixes = _Fixes()
    for each in words:
        if known := recognize(each):
            fixes.add(*known)
    full_disk = _first_full_disk(folders, LOW_DISK)
    if full_disk:
        fixes.add(DISK_FULL, FREE_SPACE)
    lines = [f"the platform did not start{reason}:", *map(str, words), *filter(None, [full_disk])]
    names = " ".join(dict.fromkeys(each.service for each in words))
    fix = "\n".join([*fixes.lines, SEE_MORE.format(f'"{names}"' if " " in names else names)])
    return StartError("\n".join(lines), fix, frozenset(fixes.kinds))


def recognize(words: LastWords) -> tuple[str, str] | None:
    """Returns the kind of a failure and its fix: that of the last line which is known; None if no line is."""
    lines = [*words.log.splitlines()[-LINES:], words.health, words.state]
    return next(filter(None, map(_recognize_line, reversed(lines))), None)


def _recognize_line(line: str) -> tuple[str, str] | None:
    for known in KNOWN:
        if found := re.search(known.pattern, line, re.IGNORECASE):
            return known.kind, known.fix.format(next(filter(None, found.groups()), ""))
    return None


def data_folders(is_in_docker: bool) -> list[Path]:
    """Returns folders on the disks that a platform writes to."""
    return [ROOT, DOCKER_FOLDER] if is_in_docker else [ROOT]


def is_full(folders: Iterable[Path]) -> bool:
    """Returns whether a disk of these folders is full. Then there is no use in waiting for what writes to it."""
    return bool(_first_full_disk(folders, FULL_DISK))


def require_space(folders: Sequence[Path]) -> None:
    """Refuses to wait for services whose disk is full.

    Raises:
        CommandError: a disk of these folders is full.
    """
    if full_disk := _first_full_disk(folders, FULL_DISK):
        raise CommandError(full_disk, FREE_SPACE)


def _first_full_disk(folders: Iterable[Path], low: int) -> str:
    return next(filter(None, (describe_full_disk(folder, low) for folder in folders)), "")


def describe_full_disk(folder: Path, low: int) -> str:
    """Returns a line about the folder's disk if it has less than `low` bytes, or no room for a file; else nothing."""
    try:
        disk = os.statvfs(folder)
    except OSError:  # another user's, or not on this machine
        return ""
    # Some file systems keep a part for root
    free = (disk.f_bavail if os.geteuid() else disk.f_bfree) * disk.f_frsize
    if free < low:
        return f"only {free / 1e6:.0f} MB are free on the disk of {folder}"
    # Some file systems have no fixed number of files, and say 0
    if disk.f_files and not disk.f_favail:
        return f"the disk of {folder} has no room for another file (df -i shows it)"
    return ""
