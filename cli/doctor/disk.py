"""Checks of the disks: the checkout's, the container engine's, and that of the user's caches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cli.doctor.machine import Disk, Finding, Machine, fail, ok, warn

BUILD_MB = 8000
"""Disk for the images and the build cache."""
ENVIRONMENTS_MB = 1600
"""Disk for the embedded runtime's virtual environments; uv's cache takes as much, on the disk of the home folder."""
DATA_MB = 2000
"""Disk for taxi files and their copies in the stores."""
FULL_MB = 500
"""Disk below which nothing works any more."""
FEW_FILES, FULL_FILES = 50_000, 1_000
"""Files that a disk must be able to take: the virtual environments have about 30,000."""


def check_disks(
    machine: Machine, engine_folder: str, needs_images: bool, needs_environments: bool
) -> Iterator[Finding]:
    """Checks each disk that the platform writes to.

    Args:
        machine: the machine to check.
        engine_folder: where the container engine keeps images and volumes; empty if none is used.
        needs_images: whether images must be built.
        needs_environments: whether virtual environments must be built.
    """
    folders = [(machine.root, "here", DATA_MB + ENVIRONMENTS_MB * needs_environments)]
    if needs_environments:
        folders.append((machine.home, f"in {machine.home}", ENVIRONMENTS_MB))
    if engine_folder and Path(engine_folder).is_dir():
        folders.append((Path(engine_folder), f"in {engine_folder}", DATA_MB + BUILD_MB * needs_images))
    elif engine_folder:
        yield ok("disk", "that of the Docker engine cannot be measured from here: docker system df")
    disks: dict[int, tuple[Disk, str, int]] = {}
    for folder, place, need in folders:
        disk = machine.disk(folder)
        _, first, sum_before = disks.get(disk.number, (disk, place, 0))
        disks[disk.number] = disk, first, sum_before + need
    for disk, place, need in disks.values():
        yield _check_space(disk, place, need)
        if disk.free_files is not None and disk.free_files < FEW_FILES:
            yield _check_files(disk.free_files, place)


def _check_space(disk: Disk, place: str, need: int) -> Finding:
    text = f"{disk.free_mb} MB free {place}, about {need} MB needed"
    if disk.free_mb >= need:
        return ok("disk", f"{disk.free_mb // 1000} GB free {place}")
    if disk.free_mb < FULL_MB:
        return fail("disk", text, "delete something; with Docker, see also: docker system df")
    return warn("disk", text, "delete something; with Docker, old builds: docker builder prune")


def _check_files(count: int, place: str) -> Finding:
    text, fix = f"only {count} more files fit {place}, whatever their size", "delete files; the counts: df -i"
    return fail("disk", text, fix) if count < FULL_FILES else warn("disk", text, fix)


def check_shared_memory(machine: Machine) -> Finding:
    """Checks /dev/shm, in which the PostgreSQL of the embedded runtime puts what its processes share."""
    folder = machine.shared_memory
    if machine.is_mac:
        return ok("shared memory", "macOS needs no folder for it")
    if reason := machine.cannot_write(folder):
        fix = f"sudo mount -t tmpfs -o mode=1777 tmpfs {folder}"
        return fail("shared memory", f"PostgreSQL cannot use {folder} ({reason})", fix)
    free = machine.disk(folder).free_mb
    if free < 32:
        return warn("shared memory", f"{free} MB free in {folder}: large queries fail", "docker run --shm-size=256m")
    return ok("shared memory", f"{free} MB free in {folder}")
