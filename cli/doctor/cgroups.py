"""Memory, CPUs and processes: what the machine has, and what the cgroups of a container, a user or a job leave of it.

A program gets the smallest share of all the cgroups from its own up to the root. `/proc/self/cgroup` names its cgroup,
`/proc/self/mountinfo` says where that is mounted (https://man7.org/linux/man-pages/man7/cgroups.7.html).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

MOUNT = re.compile(r"^(?:\S+ ){3}(\S+) (/\S*) .*?- (\S+) \S+ (\S+)", re.MULTILINE)
"""A line of mountinfo: the folder of the file system that is mounted, where it is mounted, its kind and its options."""
UNLIMITED = 1 << 60
"""Bytes; a larger limit is how version 1 writes that there is none."""


class Share(NamedTuple):
    """What is left for a program."""

    free_mb: int
    limit_mb: int
    """The limit of the cgroup that leaves the least; 0 if it is the machine's own memory that ends first."""


def free_memory(proc: Path = Path("/proc"), engine: int = 0) -> Share | None:
    """Returns the memory that programs started here can get; None if this system has no /proc/meminfo.

    Args:
        proc: where /proc is.
        engine: the process id of the container engine if its containers are meant: only cgroups that hold both this
            process and the engine limit them.
    """
    match = re.search(r"^MemAvailable:\s+(\d+)", _read(proc / "meminfo"), re.MULTILINE)
    if not match:
        return None
    shares = [Share(int(match[1]) // 1000, 0)]
    common = set(_levels(proc, "memory", str(engine))) if engine else None
    for folder in _levels(proc, "memory"):
        if common is None or folder in common:
            shares += [Share(max(free, 0) // 1_000_000, limit // 1_000_000) for limit, free in _memory_of(folder)]
    return min(shares)


def cpus(proc: Path = Path("/proc")) -> float:
    """Returns how many CPUs the programs started here can keep busy."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(own), *(quota for folder in _levels(proc, "cpu") for quota in _cpus_of(folder))])


def free_processes(proc: Path = Path("/proc")) -> int | None:
    """Returns how many more threads the cgroups allow; None if they set no limit."""
    free = []
    for folder in _levels(proc, "pids"):
        limit, used = (_read(folder / f"pids.{name}").strip() for name in ("max", "current"))
        if limit.isdecimal() and used.isdecimal():
            free.append(int(limit) - int(used))
    return min(free, default=None)


def _levels(proc: Path, controller: str, process: str = "self") -> Iterator[Path]:
    """Yields the folders of the process's cgroups with that controller, from its own up to the highest visible one."""
    for mount, root, path in _mounted(proc, controller, process):
        # Without a cgroup namespace, a container sees the machine's paths and a mount of its own part of them
        inside = path[len(root.rstrip("/")) :] if f"{path}/".startswith(f"{root.rstrip('/')}/") else path
        folder = mount / inside.lstrip("/")
        while not folder.is_dir() and folder != mount:
            folder = folder.parent
        yield folder
        while folder != mount:
            folder = folder.parent
            if _read(folder / "memory.use_hierarchy").strip() == "0":  # version 1: its limit is for itself only
                return
            yield folder


def _mounted(proc: Path, controller: str, process: str) -> Iterator[tuple[Path, str, str]]:
    """Yields where the cgroups with that controller are mounted, which of them is the top there, and the process's."""
    paths = {}
    for controllers, path in re.findall(r"^\d+:(.*?):(/.*)$", _read(proc / process / "cgroup"), re.MULTILINE):
        paths.update(dict.fromkeys(controllers.split(","), path))
    for fields in MOUNT.findall(_read(proc / "self/mountinfo")):
        root, mount, kind, options = map(unescape, fields)
        if kind == "cgroup2" and "" in paths:
            yield _at(proc, mount), root, paths[""]
        elif kind == "cgroup" and controller in options.split(",") and controller in paths:
            yield _at(proc, mount), root, paths[controller]


def _at(proc: Path, mount: str) -> Path:
    """Returns the folder of a mount; that of a test's /proc is beside it."""
    return proc.parent / PurePosixPath(mount).relative_to("/")


def unescape(field: str) -> str:
    """Returns a path of mountinfo, in which a space, for example, is written as its octal number."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _memory_of(folder: Path) -> Iterator[tuple[int, int]]:
    """Yields the limits of one cgroup and what each leaves, in bytes. Cached files count as free: they make room."""
    numbers: dict[str, str] = dict(re.findall(r"^(\w+) (\d+)$", _read(folder / "memory.stat"), re.MULTILINE))
    limits = [_read(folder / name) for name in ("memory.max", "memory.high", "memory.limit_in_bytes")]
    # In version 1 it covers the cgroups above, also those that a container cannot see
    limits.append(numbers.get("hierarchical_memory_limit", ""))
    used = _read(folder / "memory.current").strip() or _read(folder / "memory.usage_in_bytes").strip()
    cached = sum(int(numbers.get(f"total_{name}", numbers.get(name, "0"))) for name in RECLAIMABLE)
    for text in limits:
        if used.isdecimal() and text.strip().isdecimal() and int(text) < UNLIMITED:
            yield int(text), int(text) - int(used) + cached


RECLAIMABLE = ("inactive_file", "active_file", "slab_reclaimable")
"""What the kernel gives back under pressure; tmpfs and shared memory are not among it."""


def _cpus_of(folder: Path) -> Iterator[float]:
    quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota, period = (_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    if quota.isdecimal() and period.isdecimal() and int(period):
        yield int(quota) / int(period)


def _read(file: Path) -> str:
    """Returns the file's text; empty if it is not there or cannot be read."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
