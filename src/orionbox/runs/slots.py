"""Limits how many months a run processes at once, by cores and memory."""

from __future__ import annotations

import os
import threading
from pathlib import Path

RUN_BYTES = 400 << 20
"""Memory in bytes that a flow run takes before it processes a month, mostly for libraries; see dev/bench/README.md."""
MONTH_BYTES = 250 << 20
"""Memory in bytes that each month in progress adds, whatever its size."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container finds its memory limit, with version 2 and 1 of Linux' control groups."""


def month_semaphore() -> threading.BoundedSemaphore:
    """Returns the semaphore that limits how many months are processed at once."""
    return _SLOTS


def max_parallel_months(cores: int, memory: int) -> int:
    """Returns how many months to process at once: one per core, fewer if memory (in bytes) is short, at least one."""
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


_SLOTS = threading.BoundedSemaphore(max_parallel_months(_cores(), _memory()))
