"""How many months a run may work on at the same time, by cores and memory."""

from __future__ import annotations

import os
import threading
from pathlib import Path

RUN_BYTES = 400 << 20
"""Memory in bytes that a flow run takes before it moves anything, mostly for libraries; see docs/benchmarks.md."""
MONTH_BYTES = 250 << 20
"""Memory in bytes that each month in work adds, whatever its size; see there, too."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container finds its memory limit, with version 2 and 1 of Linux' control groups."""


def slot() -> threading.BoundedSemaphore:
    """Returns what a task holds by `with` during its heavy part, so that the months in work fit into memory."""
    return _SLOTS


def slots(cores: int, memory: int) -> int:
    """Returns how many months to work on at a time: one a core, fewer if memory (in bytes) is short, at least one."""
    return max(1, min(cores, (memory - RUN_BYTES) // MONTH_BYTES))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> int:
    """Returns the bytes that this process may use: the machine's, or the container's if that is less."""
    limits = [int(text) for path in _LIMITS if (text := _read(Path(path))).isdigit()]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *limits])


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


_SLOTS = threading.BoundedSemaphore(slots(_cores(), _memory()))
