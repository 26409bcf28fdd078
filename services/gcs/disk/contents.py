"""The contents of objects: one file for each generation, which is written aside, synced, and then renamed.

A file in `objects/` never changes. So a copy of an object is a hard link, a reader keeps what it has opened, and a
backup links what a catalogue of the same moment lists.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import google_crc32c

PIECE = 2**20
"""Bytes that are read or written at a time."""
ROOM = 8 * 2**20
"""Bytes that contents leave free on the disk, so that the catalogue can still note what is deleted."""
MODE = 0o644
"""Of an object's file: BigQuery's server, another user perhaps, reads it in place."""
NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EXDEV)


@dataclass(frozen=True)
class Sums:
    """Size in bytes and checksums of a content, both in base64 as Google writes them."""

    size: int
    md5: str | None
    crc32c: str


class Incoming:
    """A content that is being written aside; nothing knows it before `Contents.keep` has named it."""

    def __init__(self, path: Path, append: bool = False) -> None:
        self.path, self._append = path, append
        self._file: FileIO | None = None
        self.is_kept = False
        self._reset()

    def _reset(self) -> None:
        self._md5, self._crc32c, self.size = hashlib.md5(), google_crc32c.Checksum(), 0  # type: ignore[no-untyped-call]
        if self._append and self.path.exists():
            for piece in read_pieces(self.path):
                self._add(piece)

    def _opened(self) -> FileIO:
        """Return the file, which is made when something is first written: until then nothing waits for the disk."""
        if self._file is None:
            self._file = self.path.open("ab" if self._append else "wb", buffering=0)
            self._leave_room(0)
        return self._file

    def _leave_room(self, size: int) -> None:
        disk = os.fstatvfs(self._opened().fileno())
        if disk.f_bavail * disk.f_frsize < ROOM + size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _add(self, piece: bytes) -> None:
        self._md5.update(piece)
        self._crc32c.update(piece)  # type: ignore[no-untyped-call]
        self.size += len(piece)

    def write(self, piece: bytes) -> None:
        """Append bytes.

        Raises:
            OSError: with ENOSPC, before the disk is quite full.
        """
        file, rest = self._opened(), memoryview(piece)
        self._leave_room(len(piece))
        while rest:
            rest = rest[file.write(rest) :]
        self._add(piece)

    def sync(self) -> None:
        """Write everything to the disk."""
        os.fchmod(self._opened().fileno(), MODE)
        os.fsync(self._opened().fileno())

    def sums(self) -> Sums:
        """Return the size and the checksums of what has been written."""
        md5, crc32c = self._md5.digest(), self._crc32c.digest()  # type: ignore[no-untyped-call]
        return Sums(self.size, base64.b64encode(md5).decode(), base64.b64encode(crc32c).decode())

    def truncate(self, size: int) -> None:
        """Drop the last bytes; the checksums are made anew."""
        self._opened().truncate(size)
        self._reset()

    def close(self) -> None:
        """Close the file, which stays."""
        if self._file:
            self._file.close()

    def rename(self, path: Path) -> None:
        """Give the file, which is synced, its name: from now on it is kept."""
        self.close()
        os.rename(self.path, path)
        self.is_kept = True

    def discard(self) -> None:
        """Close the file and remove it, unless it has been kept."""
        self.close()
        if not self.is_kept:
            self.path.unlink(missing_ok=True)


class Contents:
    """The folders of contents: `objects/`, one file a generation, and `incoming/`, what is not complete."""

    def __init__(self, folder: Path) -> None:
        self.objects, self.incoming = folder / "objects", folder / "incoming"
        for each in (self.objects, self.incoming):
            make_folder(each)
        self._folder = os.open(self.objects, os.O_RDONLY | os.O_DIRECTORY)

    def close(self) -> None:
        """Close the folder."""
        os.close(self._folder)

    def path(self, generation: int) -> Path:
        """Return the file of a generation."""
        return self.objects / str(generation)

    def part(self, name: str) -> Path:
        """Return the file of an upload that is not complete.

        Its name may come from a catalogue in somebody's backup, so it leads nowhere else.
        """
        return self.incoming / Path(name).name

    def create(self) -> Incoming:
        """Begin a new content."""
        return Incoming(self.part(f"new-{secrets.token_hex(12)}"))

    def keep(self, incoming: Incoming, generation: int) -> None:
        """Give a content, which is synced, the name of its generation."""
        incoming.rename(self.path(generation))
        os.fsync(self._folder)

    def link(self, source: int, target: int) -> None:
        """Give the content of one generation to another; where the disk has no hard links, copy it."""
        try:
            os.link(self.path(source), self.path(target))
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
            shutil.copyfile(self.path(source), self.path(target))
        os.fsync(self._folder)

    def join(self, sources: Iterable[Path]) -> Incoming:
        """Begin a content that consists of others, in order, and sync it."""
        incoming = self.create()
        try:
            for source in sources:
                for piece in read_pieces(source):
                    incoming.write(piece)
            incoming.sync()
        except BaseException:
            incoming.discard()
            raise
        return incoming

    def remove(self, generations: Iterable[int]) -> None:
        """Remove contents, after the catalogue has forgotten them."""
        for generation in generations:
            with suppress(FileNotFoundError):
                self.path(generation).unlink()

    def generations(self) -> set[int]:
        """Return the generations whose content is there."""
        return {int(file.name) for file in self.objects.iterdir() if file.name.isdigit() and not file.is_symlink()}

    def sweep(self, generations: set[int], parts: set[str]) -> int:
        """Remove every file that the catalogue does not know; return how many."""
        stray = [
            file
            for file in self.objects.iterdir()
            if not file.name.isdigit() or int(file.name) not in generations or file.is_symlink()
        ]
        stray += [file for file in self.incoming.iterdir() if file.name not in parts or file.is_symlink()]
        for file in stray:
            shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink()
        return len(stray)


def make_folder(path: Path) -> None:
    """Make a folder, unless it is there.

    Raises:
        NotADirectoryError: it is a link, perhaps out of somebody's backup: what it leads to is not ours to sweep.
    """
    path.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        raise NotADirectoryError(f"{path} is a link")


def read_pieces(path: Path) -> Iterator[bytes]:
    """Return a file's content, a piece at a time."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece
