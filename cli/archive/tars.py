"""Reads tars of unknown origin: ordinary files and folders only, and nothing of them unbounded in memory.

Readers of tar disagree about headers that no writer makes, such as a folder with a size; a link could hide in what is
content to one of them. So no other program gets such a tar: it gets what `rewrite` has read of it.

`tarfile` reads the extension header of a member whole, however large it says it is, and keeps every member. This reads
the headers itself: those of POSIX.1-2017 ("pax Interchange Format"), and long names as GNU tar writes them.
"""

from __future__ import annotations

import gzip
import sys
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePosixPath
from tarfile import BLOCKSIZE, TarInfo
from typing import IO, cast

from cli.programs import CHUNK
from orionbox.errors import printable

PAX, LONG_NAME = tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME
LARGEST_EXTENSION = 64 << 10
"""Bytes of an extension header; a name in the bucket has at most 1,024."""
MOST_EXTENSIONS = 2
"""Extension headers of one member."""
MOST_MEMBERS = 1_000_000
"""Files and folders of one tar; each month of a store is a handful."""
LONGEST_NAME = 4096
"""Bytes; Linux opens no longer path (limits.h: PATH_MAX)."""
PAX_FACTS = {"path", "size", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "hdrcharset", "comment"}
"""Facts that change neither what a member is nor where it points."""


END = bytes(2 * BLOCKSIZE)
"""What ends a tar."""

Chunks = Callable[[], Iterator[bytes]]
"""Reads the content of a member, once."""
Write = Callable[[bytes], object]
"""Takes the next bytes of a tar."""


class UnsafeTarError(Exception):
    """A tar that would do more than fill a folder; the text says which member."""


class LimitedReader:
    """A file that may be read up to a number of bytes.

    Args:
        file: what to read.
        limit: bytes; reading more raises UnsafeTarError.
    """

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self._file, self._limit, self.count = file, limit, 0

    def read(self, size: int) -> bytes:
        """Reads up to `size` bytes."""
        chunk = self._file.read(size)
        self.count += len(chunk)
        if self.count > self._limit:
            raise UnsafeTarError(f"more than the {self._limit:,} bytes that it may have when it is unpacked")
        return chunk


def skip_by_reading(file: IO[bytes] | LimitedReader, size: int) -> None:
    """Reads and forgets `size` bytes.

    Raises:
        tarfile.ReadError: the file ends before.
    """
    while size > 0:
        chunk = file.read(min(size, CHUNK))
        if not chunk:
            raise tarfile.ReadError("unexpected end of data")
        size -= len(chunk)


def list_members(
    file: IO[bytes] | LimitedReader,
    skip: Callable[[int], object],
    most: int = MOST_MEMBERS,
    with_extensions: bool = True,
    is_harmless: Callable[[TarInfo], bool] = lambda member: False,
) -> Iterator[TarInfo]:
    """Yields every member of a tar, with its real name and size; the file is then at the member's content.

    Args:
        file: the tar, not compressed.
        skip: passes over a number of bytes of it.
        most: how many members it may have.
        with_extensions: whether members may have extension headers.
        is_harmless: returns whether a member is allowed that is neither an ordinary file nor a folder.

    Raises:
        tarfile.TarError: it is no tar, or ends too early.
        UnsafeTarError: a member is not an ordinary file or folder, or lies outside; or there are too many.
    """
    extensions: list[tuple[bytes, bytes]] = []
    count = 0
    while member := _read_header(file):
        if with_extensions and member.type in (PAX, LONG_NAME):
            extensions.append((member.type, _read_extension(file, member)))
            if len(extensions) > MOST_EXTENSIONS:
                raise UnsafeTarError("a member with too many extension headers")
            continue
        for kind, content in extensions:
            _apply(member, kind, content)
        extensions = []
        count += 1
        if count > most:
            raise UnsafeTarError(f"more than {most:,} members")
        if not is_harmless(member):
            _require_ordinary(member)
        yield member
        skip(padded(member.size))


def unpack(
    packed: IO[bytes],
    largest: int = sys.maxsize,
    most: int = MOST_MEMBERS,
    is_harmless: Callable[[TarInfo], bool] = lambda member: False,
) -> Iterator[tuple[TarInfo, Chunks]]:
    """Yields the members of a tar that is compressed with gzip, each with a function that reads its content.

    Args:
        packed: the tar, from its start.
        largest: bytes that it may have when it is unpacked.
        most: how many members it may have.
        is_harmless: as for `list_members`, which also has the errors.
    """
    with gzip.GzipFile(fileobj=packed) as unpacked:
        content, start = LimitedReader(cast("IO[bytes]", unpacked), largest), 0

        def skip_rest(size: int) -> None:
            skip_by_reading(content, start + size - content.count)

        for member in list_members(content, skip_rest, most, is_harmless=is_harmless):
            start = content.count
            yield member, partial(_chunks, content, member.size)


def _chunks(content: LimitedReader, size: int) -> Iterator[bytes]:
    end = content.count + size
    while content.count < end:
        chunk = content.read(min(CHUNK, end - content.count))
        if not chunk:
            raise tarfile.ReadError("unexpected end of data")
        yield chunk


def rewrite(packed: IO[bytes], write: Write) -> None:
    """Writes a tar with the files and folders of another one, which is compressed, and nothing else of it.

    Args:
        packed: the other one, from its start.
        write: takes the next bytes of the new one, which is not compressed.
    """
    for member, chunks in unpack(packed):
        copy_member(write, member, chunks)
    write(END)


def copy_member(write: Write, member: TarInfo, chunks: Chunks) -> None:
    """Writes a member of another tar: its name and content, and nothing else of its headers."""
    mode, kind = (0o755, tarfile.DIRTYPE) if member.isdir() else (0o644, tarfile.REGTYPE)
    write(_header(member.name, member.size, mode, kind))
    for chunk in chunks():
        write(chunk)
    write(bytes(padded(member.size) - member.size))


def write_member(write: Write, name: str, content: bytes) -> None:
    """Writes a file that only its owner can read."""
    write(_header(name, len(content), 0o600, tarfile.REGTYPE))
    write(content + bytes(padded(len(content)) - len(content)))


def _header(name: str, size: int, mode: int, kind: bytes) -> bytes:
    header = TarInfo(name)
    header.size, header.mode, header.type = size, mode, kind
    return header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padded(size: int) -> int:
    """Returns the bytes that a content of this size takes in a tar."""
    return size + -size % BLOCKSIZE


def _read_header(file: IO[bytes] | LimitedReader) -> TarInfo | None:
    """Reads the next header; None at the block of zeros that ends a tar.

    Raises:
        tarfile.TarError: the file ends without one.
    """
    block = file.read(BLOCKSIZE)
    if len(block) < BLOCKSIZE:
        raise tarfile.ReadError("unexpected end of data")
    if not block.strip(b"\0"):
        return None
    member = TarInfo.frombuf(block, "utf-8", "surrogateescape")
    if member.size < 0:
        raise tarfile.ReadError("a member with a negative size")
    return member


def _read_extension(file: IO[bytes] | LimitedReader, member: TarInfo) -> bytes:
    if member.size > LARGEST_EXTENSION:
        raise UnsafeTarError(f"an extension header of {member.size:,} bytes")
    content = file.read(padded(member.size))
    if len(content) < padded(member.size):
        raise tarfile.ReadError("unexpected end of data")
    return content[: member.size]


def _apply(member: TarInfo, kind: bytes, content: bytes) -> None:
    """Gives a member the name and size of its extension header."""
    if kind == LONG_NAME:
        member.name = _text(content.partition(b"\0")[0])
        return
    for name, value in _pax_records(content):
        if name not in PAX_FACTS:
            raise UnsafeTarError(f"a member with the unusual fact {printable(name)}")
        if name == "path":
            member.name = _text(value)
        elif name == "size":
            if not (value.isdigit() and len(value) < 20):  # 64 bits
                raise tarfile.ReadError("a member whose size is not a number")
            member.size = int(value)


def _pax_records(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields the facts of a pax header, whose records are `LENGTH NAME=VALUE` and a line feed."""
    while content:
        digits = content[:8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = content[len(digits) + 1 : length]
        name, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or length > len(content):
            raise tarfile.ReadError("a damaged extension header")
        yield _text(name), value[:-1]
        content = content[length:]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _require_ordinary(member: TarInfo) -> None:
    """Refuses a member that is neither an ordinary file nor a folder, or whose place is not in the folder."""
    is_file = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.name.endswith("/")
    is_ordinary = is_file or (member.isdir() and member.size == 0)
    is_outside = member.name.startswith("/") or ".." in PurePosixPath(member.name).parts
    if not is_ordinary or is_outside or not 0 < len(member.name) <= LONGEST_NAME or "\0" in member.name:
        raise UnsafeTarError(f"the member {printable(member.name[:200])!r}".replace("\\\\", "\\"))
