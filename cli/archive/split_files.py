"""A file in parts, for sticks whose file system takes none of 4 GB or more: name.001, name.002 and so on."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PIECE = 1 << 20
"""Bytes that are copied at once."""


def split(path: Path, size: int) -> list[Path]:
    """Cuts the file into parts of `size` bytes, the last one shorter; the file itself is gone then.

    A part appears under its name when it is whole. A file that is no longer than `size` stays what it is.
    """
    if path.stat().st_size <= size:
        return [path]
    made: list[Path] = []
    with path.open("rb") as file:
        while file.tell() < path.stat().st_size:
            part = path.with_name(f"{path.name}.{len(made) + 1:03}")
            partial = part.with_name(f".{part.name}.part")
            with partial.open("wb") as target:
                while target.tell() < size and (piece := file.read(min(PIECE, size - target.tell()))):
                    target.write(piece)
            os.replace(partial, part)
            made.append(part)
    path.unlink()
    return made


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, or where it is the first of several parts, all of them one after the other."""
    if path.suffix != ".001":
        with path.open("rb") as file:
            yield file
        return
    with Parts(path) as raw, io.BufferedReader(raw, PIECE) as whole:
        yield whole


class Parts(io.RawIOBase):
    """The bytes of all parts; `first` is that of the first one."""

    def __init__(self, first: Path) -> None:
        self._parts: list[tuple[int, IO[bytes]]] = []
        self._size = self._at = 0
        while (path := first.with_suffix(f".{len(self._parts) + 1:03}")).exists():
            self._parts.append((self._size, path.open("rb")))
            self._size += path.stat().st_size

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a place, counted over all parts."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Reads from the part that the place is in; 0 at the end."""
        if self._at >= self._size:
            return 0
        start, file = next((start, file) for start, file in reversed(self._parts) if start <= self._at)
        file.seek(self._at - start)
        data = file.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Closes all parts."""
        for _, file in self._parts:
            file.close()
        super().close()
