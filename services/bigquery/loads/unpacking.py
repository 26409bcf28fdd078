"""Files that may be packed with gzip, which BigQuery unpacks by their content, and in another encoding than UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
from pathlib import Path
from typing import Any, cast

_MAGIC = b"\x1f\x8b"


_PIECE = 2**20


class _Recoded(io.RawIOBase):
    """Text of another encoding as UTF-8; what the encoding does not have becomes U+FFFD."""

    def __init__(self, data: io.RawIOBase, encoding: str) -> None:
        self._data = data
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads as much as there is room for, or less; 0 at the end."""
        piece = b"not at the end"
        while piece and not self._rest:
            piece = self._data.read(_PIECE) or b""
            self._rest = self._decoder.decode(piece, final=not piece).encode()
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def close(self) -> None:
        """Closes the file, too."""
        self._data.close()
        super().close()


def open_unpacked(file: Path, encoding: str = "utf-8") -> io.BufferedReader[Any]:
    """Opens a file; what is packed with gzip is read unpacked, and other encodings as UTF-8."""
    with file.open("rb") as packed:
        is_packed = packed.read(2) == _MAGIC
    data = cast(io.RawIOBase, gzip.open(file, "rb")) if is_packed else file.open("rb", buffering=0)
    return io.BufferedReader(data if encoding == "utf-8" else _Recoded(data, encoding), _PIECE)
