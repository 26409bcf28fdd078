"""A snapshot for `make backup`: the catalogue of one moment, and hard links to the contents that it lists."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.gcs.disk.catalogue import FILE, SOFT_DELETED
from services.gcs.disk.contents import read_pieces
from services.gcs.store import Store

SUMMARY = ".backup.json"
"""The tar's last member, which shows that it is complete: objects by bucket."""
TEMPORARY = ".backup-"
"""Prefix of the folders in which snapshots are made."""


@dataclass(frozen=True)
class Snapshot:
    """A folder with a copy of everything, and the summary of it."""

    folder: Path
    summary: dict[str, Any]

    def pieces(self) -> Iterator[bytes]:
        """Return the tar, a piece at a time."""
        for file in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            yield from _member(file.relative_to(self.folder).as_posix(), file.stat().st_size, read_pieces(file))
        summary = json.dumps(self.summary).encode()
        yield from _member(SUMMARY, len(summary), iter([summary]))
        yield bytes(2 * tarfile.BLOCKSIZE)

    def remove(self) -> None:
        """Remove the folder; the contents stay, which the server has under another name."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _member(name: str, size: int, content: Iterator[bytes]) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    yield info.tobuf()
    yield from content
    yield bytes(-size % tarfile.BLOCKSIZE)


def take(store: Store) -> Snapshot:
    """Make a snapshot, without uploads that are not complete and without deleted objects."""
    folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=store.folder))
    try:
        (folder / store.contents.objects.name).mkdir()
        # While it writes nobody else does, so no content goes before it is linked
        with store.catalogue.write() as tx:
            summary = tx.counts()
            store.catalogue.copy_to(folder / FILE)
            for generation in tx.all_generations():
                target = folder / store.contents.objects.name / str(generation)
                os.link(store.contents.path(generation), target)
        _leave_out(folder, store.contents.objects.name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Snapshot(folder, summary)


def _leave_out(folder: Path, objects: str) -> None:
    copy = sqlite3.connect(folder / FILE, isolation_level=None)
    copy.execute("PRAGMA journal_mode = DELETE")
    for (generation,) in copy.execute(f"SELECT generation FROM objects WHERE state = {SOFT_DELETED}").fetchall():
        (folder / objects / str(generation)).unlink()
    for table in ("parts", "uploads", f"objects WHERE state = {SOFT_DELETED}", "buckets WHERE deleted IS NOT NULL"):
        copy.execute(f"DELETE FROM {table}")
    copy.execute("VACUUM")
    copy.close()


def remove_old(folder: Path) -> None:
    """Remove what a crash has left behind of snapshots."""
    for stray in folder.glob(f"{TEMPORARY}*"):
        shutil.rmtree(stray, ignore_errors=True)
