"""Counts the lines of a file while it is read. Standard library only."""

from __future__ import annotations

import io
from typing import IO, Any

from orionbox.errors import BadInputError

LARGEST_FILE = 8 << 30
"""The most bytes of CSV text: ten times the largest month of the release. A larger file was made to fill a disk."""


class LineCounter(io.RawIOBase):
    """Passes a stream on, and counts its lines.

    Args:
        stream: the text, unpacked.
        name: the file's name, for messages.
        largest: the most bytes of text.
        fix: what to do about a larger file.
    """

    def __init__(self, stream: IO[bytes] | Any, name: str, largest: int = LARGEST_FILE, fix: str = "") -> None:
        self._stream, self._name, self._largest, self._fix = stream, name, largest, fix
        self._newlines = self._at_end = self._bytes = 0
        self._has_text = False

    @property
    def count(self) -> int:
        """Returns the lines so far, also a last one without a newline, but no blank lines at the end."""
        return self._newlines - self._at_end + 1 if self._has_text else 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Reads a piece.

        Raises:
            BadInputError: the text has more bytes than any month.
        """
        data: bytes = self._stream.read(size)
        self._bytes += len(data)
        if self._bytes > self._largest:
            text = f"{self._name}: unpacks to more than {self._largest:,} bytes, more than any month"
            raise BadInputError(text, self._fix)
        length = len(data.rstrip(b"\r\n"))
        at_end = data.count(b"\n", length)
        self._at_end = at_end if length else self._at_end + at_end
        self._newlines += data.count(b"\n", 0, length) + at_end
        self._has_text = self._has_text or bool(length)
        return data

    def read_to_the_end(self, piece: int = 1 << 20) -> int:
        """Reads what is left, a piece at a time; returns the number of lines."""
        while self.read(piece):
            pass
        return self.count
