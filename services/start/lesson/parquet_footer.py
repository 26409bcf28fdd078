"""Reads the number of rows from a parquet file's footer, without a library: the page's image has none for parquet.

The footer is a Thrift struct in the compact protocol (https://parquet.apache.org/docs/file-format/metadata). Its
field 3 is num_rows; the fields before it, version and schema, are skipped.
"""

from __future__ import annotations

MAGIC = b"PAR1"
NUM_ROWS = 3
STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
"""Types of the compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md)."""


class NotParquetError(ValueError):
    """These bytes are not the end of a parquet file, or not all of its footer."""


def footer_length(tail: bytes) -> int:
    """Returns the bytes that the footer takes at the end of the file, with its length and the magic.

    Raises:
        NotParquetError: the file does not end as a parquet file does.
    """
    if len(tail) < 8 or tail[-4:] != MAGIC:
        raise NotParquetError("the file does not end with PAR1")
    return int.from_bytes(tail[-8:-4], "little") + 8


def count_rows(tail: bytes) -> int:
    """Returns the rows of the file that ends with these bytes.

    Raises:
        NotParquetError: they are not the end of a parquet file, or not all of its footer.
    """
    length = footer_length(tail)
    if length > len(tail):
        raise NotParquetError("the footer is longer than these bytes")
    reader = _Reader(tail[-length:-8])
    try:
        return reader.find(NUM_ROWS)
    except IndexError as error:
        raise NotParquetError("the footer is damaged") from error


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def find(self, wanted: int) -> int:
        """Returns the integer in this field of the struct that starts here."""
        number = 0
        while kind := self._field_type():
            number = number + (kind >> 4) if kind >> 4 else self._zigzag()
            if number == wanted:
                return self._zigzag()
            self._skip(kind & 15)
        raise NotParquetError("the footer has no number of rows")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    _field_type = _byte

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, kind: int) -> None:
        if kind in (BYTE, TRUE, FALSE):
            self._at += kind == BYTE
        elif kind in (I16, I32, I64):
            self._varint()
        elif kind == DOUBLE:
            self._at += 8
        elif kind == BINARY:
            length = self._varint()  # which moves on itself
            self._at += length
        elif kind in (LIST, SET):
            self._skip_list()
        elif kind == STRUCT:
            while inner := self._field_type():
                if not inner >> 4:
                    self._zigzag()
                self._skip(inner & 15)
        else:
            raise NotParquetError(f"the footer has a field of type {kind}")

    def _skip_list(self) -> None:
        header = self._byte()
        size = header >> 4 if header >> 4 < 15 else self._varint()
        for _ in range(size):
            # In a list a boolean takes a byte of its own
            kind = header & 15
            self._skip(BYTE if kind in (TRUE, FALSE) else kind)
