"""Memory and disk under pressure: which statement has to go before the server would, and what is refused beforehand."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from services.bigquery.disk import disk_full, require_room
from services.bigquery.errors import BigQueryError
from services.bigquery.settings import Limits

_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")
HIGH = 0.75
"""Of the memory: from here on the statement that grew most is ended."""
WALL = 0.92
"""Of the memory: from here on the system gives this process no more, and what asks for it fails by itself."""
_PATIENCE = 0.5
"""Seconds that memory has to sink after one statement was ended, before the next one is."""
_TRIM_SECONDS, _WORTH_IT = 2.0, 16 * 2**20
"""At most how often, and for how many bytes, memory is given back."""
_ARENA_MAX = -8
"""glibc's M_ARENA_MAX (malloc.h)."""
LOOK, LOOK_CLOSELY = 0.1, 0.02
"""Seconds between two looks; the second from half of HIGH on."""


class Statement(Protocol):
    """What runs, as far as this needs it."""

    grown: float
    has_written: bool
    began: float

    def end(self, error: BigQueryError) -> None:
        """Stops it with an error."""


def total_of(limits: Limits) -> int:
    """Bytes of memory that the server may use."""
    if limits.total:
        return limits.total
    machine = 4 * 2**30
    with contextlib.suppress(OSError, ValueError, IndexError):
        machine = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    container = min(_container_memory(), default=machine)
    return container if container < machine else machine // 2


def _container_memory() -> Iterator[int]:
    for file in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            yield int(file.read_text())


class Pressure:
    """Watches the memory of this process and the disk of its data.

    Args:
        folder: On the disk.
        limits: The server's.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._least_free = folder, limits.least_free
        self._total = total_of(limits)
        self._is_enforced = limits.is_enforced and _STATM.exists()
        self._before = self._calm = self._disk_seen = self._trimmed = 0.0
        self._least = 0
        self._libc = _libc() if self._is_enforced else None

    def require_room(self, needed: int = 0) -> None:
        """Refuses what would fill the disk.

        Raises:
            BigQueryError: Too little is free for so many bytes.
        """
        require_room(self._folder, self._least_free, needed)

    def look(self, running: Collection[Statement]) -> float:
        """Ends statements where it is necessary; returns the seconds until the next look."""
        self._look_at_disk(running)
        if not self._is_enforced:
            return LOOK
        used, reserved = _used()
        self._confine(used, reserved)
        self._blame(running, used)
        self._trim(used)
        if used > HIGH * self._total and running and time.monotonic() > self._calm:
            worst = max(running, key=lambda one: (one.grown, one.began))
            text = "Resources exceeded during query execution: The query could not be executed in the allotted memory."
            worst.end(BigQueryError("resourcesExceeded", text, "query"))
            self._calm = time.monotonic() + _PATIENCE
        return LOOK if used < HIGH / 2 * self._total else LOOK_CLOSELY

    def _blame(self, running: Collection[Statement], used: float) -> None:
        """Shares what the process has grown among those that ran meanwhile: one that only waits soon has least."""
        for one in running:
            one.grown += (used - self._before) / len(running)
        self._before = used

    def _trim(self, used: int) -> None:
        """Gives back what the C library keeps of memory that nobody uses any more."""
        self._least = min(self._least or used, used)
        if self._libc is None or time.monotonic() < self._trimmed + _TRIM_SECONDS or used < self._least + _WORTH_IT:
            return
        pa.default_memory_pool().release_unused()
        self._libc.malloc_trim(0)
        self._trimmed, self._least = time.monotonic(), _used()[0]

    def _confine(self, used: int, reserved: int) -> None:
        """Lets the system refuse memory beyond the wall. What is reserved and not used does not count."""
        left = max(int(WALL * self._total) - used, 0)
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = reserved + left
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))

    def _look_at_disk(self, running: Collection[Statement]) -> None:
        if time.monotonic() < self._disk_seen + 1:
            return
        self._disk_seen = time.monotonic()
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self._folder).free
            for one in running if free < self._least_free // 2 else ():
                if one.has_written:
                    one.end(disk_full(free))


def _libc() -> Any:
    """glibc, with few arenas: by default every thread keeps memory for itself; None for another library."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        return None
    library.mallopt(_ARENA_MAX, 2)
    return library


def _used() -> tuple[int, int]:
    """Bytes of memory that are this process's own (files apart), and bytes that it has reserved."""
    fields = _STATM.read_bytes().split()
    return (int(fields[1]) - int(fields[2])) * _PAGE, int(fields[5]) * _PAGE
