"""How much of this machine, or of this container, a run may use."""

from __future__ import annotations

import os
import threading
from pathlib import Path

RUN_BYTES = 400 << 20
"""Memory of a flow run before it moves anything, in bytes: mostly libraries. Measured: docs/benchmarks.md."""
MONTH_BYTES = 250 << 20
"""Memory that each month in flight adds to it, whatever its size, in bytes; likewise."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container reads its memory limit, under version 2 and 1 of Linux' control groups."""


def slot() -> threading.BoundedSemaphore:
    """For `with` around a task's heavy part: of those only as many run at a time as this process has room for."""
    return _SLOTS


def slots(cores: int, memory: int) -> int:
    """How many months to work on at a time: one for each core, fewer where memory (bytes) is short; at least one."""
    return max(1, min(cores, (memory - RUN_BYTES) // MONTH_BYTES))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> int:
    """Bytes that this process may use: the machine's, or the container's where that is less."""
    limits = [int(text) for path in _LIMITS if (text := _read(Path(path))).isdigit()]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *limits])


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


_SLOTS = threading.BoundedSemaphore(slots(_cores(), _memory()))
