"""What an image is built from: a tar of exactly the files that its Dockerfile takes.

Content and name alone decide what is in it. The modes, owners, times and line ends of this checkout differ from those
of another one (umask, a file system without modes, an editor on Windows); they reach neither the image nor its hash.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PROGRAMS = (b"#!", b"\x7fELF")
"""How a file begins that can be executed; its mode in the checkout says nothing on some file systems."""
MODIFIED = 1_000_000_000
"""The time of every file, in seconds since 1970."""


@dataclass(frozen=True)
class Entry:
    """A file or a symbolic link, as every user of the image can use it."""

    name: str
    """Its path in the context, with slashes."""
    content: bytes
    """The file's content, or the link's target."""
    is_link: bool = False

    @classmethod
    def read(cls, file: Path, context: Path) -> Entry:
        """Reads a file of the checkout; the lines of a text end as in Git."""
        name = file.relative_to(context).as_posix()
        if file.is_symlink():
            return cls(name, os.fsencode(os.readlink(file)), is_link=True)
        content = file.read_bytes()
        return cls(name, content if b"\0" in content else content.replace(b"\r\n", b"\n"))

    @property
    def mode(self) -> int:
        """Its permissions."""
        return 0o755 if self.content.startswith(PROGRAMS) else 0o644


def read(files: Iterable[Path], context: Path) -> list[Entry]:
    """Reads the files that go into an image, in the order of their names.

    Args:
        files: paths in the checkout.
        context: the folder that their names begin at.
    """
    return sorted((Entry.read(file, context) for file in files), key=lambda entry: entry.name)


def digest(entries: Iterable[Entry]) -> str:
    """Returns a hash of all that the tar holds."""
    found = hashlib.sha256()
    for entry in entries:
        kind = "link" if entry.is_link else f"{entry.mode:o}"
        found.update(f"\0{entry.name}\0{kind}\0{len(entry.content)}\0".encode() + entry.content)
    return found.hexdigest()


def pack(entries: Iterable[Entry]) -> bytes:
    """Returns the tar, which `docker build -` reads from its standard input."""
    buffer, packed = io.BytesIO(), list(entries)
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in _folders(packed):
            tar.addfile(_member(folder, tarfile.DIRTYPE, 0o755))
        for entry in packed:
            if entry.is_link:
                link = _member(entry.name, tarfile.SYMTYPE, 0o777)
                link.linkname = os.fsdecode(entry.content)
                tar.addfile(link)
            else:
                member = _member(entry.name, tarfile.REGTYPE, entry.mode)
                member.size = len(entry.content)
                tar.addfile(member, io.BytesIO(entry.content))
    return buffer.getvalue()


def _folders(entries: Iterable[Entry]) -> Iterator[str]:
    """Yields the folders of these entries, outer ones first."""
    names = {str(folder) for entry in entries for folder in PurePosixPath(entry.name).parents}
    return iter(sorted(names - {"."}))


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = kind, mode, MODIFIED
    return member
