"""HLL_COUNT.*: HyperLogLog++ sketches in the format of Google's ZetaSketch library.

https://cloud.google.com/bigquery/docs/reference/standard-sql/hll_functions, https://research.google/pubs/pub40671 and
https://github.com/google/zetasketch describe them. A small sketch is *sparse*: a sorted list of numbers, each of which
stands for a value, so that its count is exact for all practical purposes. A large one is *dense*: a byte a register,
whose count is estimated by Ertl's method (arXiv 1702.01284), which needs no tables of corrections as Google's does; so
the counts of dense sketches may differ from Google's by a fraction of the error that the precision stands for.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.bigquery.functions.fingerprint import fingerprint

DEFAULT_PRECISION = 15
LEAST_PRECISION, MOST_PRECISION = 10, 24
_SPARSE_MORE, _SPARSE_MOST = 5, 25
"""Bits by which the precision of sparse sketches is greater, and its limit."""
_RHO_BITS = 6
_SPARSE_SHARE = 0.75
"""A sparse sketch becomes dense at this share of the dense one's size."""
_TYPE, _VERSION = 112, 2
_INT64, _TEXT, _DECIMAL = 4, 11, 1001
"""Of the sketch's values. That of NUMERIC and BIGNUMERIC is not published, and is ours."""


@dataclass
class Sketch:
    """A sketch.

    Attributes:
        kind: What its values are.
        precision: Binary logarithm of the number of registers.
        count: How many values were added.
        sparse: Rho of each sparse index; 0 where the index tells it.
        dense: The registers, if it is dense.
    """

    kind: int
    precision: int
    count: int = 0
    sparse: dict[int, int] = field(default_factory=dict)
    dense: bytearray | None = None

    @property
    def sparse_precision(self) -> int:
        """Bits of a sparse index."""
        return min(self.precision + _SPARSE_MORE, _SPARSE_MOST)

    @property
    def _more(self) -> int:
        return self.sparse_precision - self.precision

    def add_hash(self, value: int) -> None:
        """Adds the hash of a value to a sparse sketch."""
        rest = 64 - self.sparse_precision
        self._add_sparse(value >> rest, rest + 1 - (value & (1 << rest) - 1).bit_length())

    def _add_sparse(self, index: int, rho: int) -> None:
        kept = 0 if index & (1 << self._more) - 1 else rho
        self.sparse[index] = max(self.sparse.get(index, 0), kept)

    def add(self, other: Sketch) -> None:
        """Takes in what another sketch of at least this precision has."""
        self.count += other.count
        if other.dense is None and self.dense is None:
            less = other.sparse_precision - self.sparse_precision
            for index, rho in other.sparse.items():
                self._add_sparse(index >> less, _lowered(index, rho, less))
            return
        self.make_dense()
        if other.dense is None:
            for index, rho in other.sparse.items():
                self._raise(other.precision, *other._register(index, rho))
        else:
            for number, rho in enumerate(other.dense):
                if rho:
                    self._raise(other.precision, number, rho)

    def _register(self, index: int, rho: int) -> tuple[int, int]:
        """The register of a sparse index, and its value."""
        tail = index & (1 << self._more) - 1
        return index >> self._more, self._more + 1 - tail.bit_length() if tail else rho + self._more

    def _raise(self, precision: int, number: int, rho: int) -> None:
        """Raises the register that another sketch's belongs to."""
        assert self.dense is not None
        less = precision - self.precision
        mine = number >> less
        self.dense[mine] = max(self.dense[mine], _lowered(number, rho, less))

    def make_dense(self) -> None:
        """Turns a sparse sketch into a dense one."""
        if self.dense is None:
            self.dense, sparse = bytearray(1 << self.precision), self.sparse
            self.sparse = {}
            for index, rho in sparse.items():
                self._raise(self.precision, *self._register(index, rho))

    def estimate(self) -> int:
        """How many different values it has."""
        if self.dense is not None:
            return math.floor(_estimate(self.dense, self.precision) + 0.5)
        buckets = 1 << self.sparse_precision
        return math.floor(buckets * math.log(buckets / (buckets - len(self.sparse))) + 0.5)

    def _differences(self) -> bytes:
        """The sparse data: each number as its difference from the one before."""
        flag = 1 << max(self.sparse_precision, self.precision + _RHO_BITS)
        encoded = sorted(
            flag | index >> self._more << _RHO_BITS | rho if rho else index for index, rho in self.sparse.items()
        )
        return b"".join(_varint(number - before) for before, number in zip([0, *encoded], encoded, strict=False))

    def to_bytes(self) -> bytes:
        """The sketch as a message of protocol buffers; makes it dense if it has grown too large."""
        data = self._differences() if self.dense is None else b""
        if self.dense is None and len(data) >= _SPARSE_SHARE * (1 << self.precision):
            self.make_dense()
        inner = _number(2, len(self.sparse)) if self.dense is None else b""
        inner += _number(3, self.precision) + _number(4, self.sparse_precision)
        inner += _content(6, data) if self.dense is None else _content(5, bytes(self.dense))
        head = _number(1, _TYPE) + _number(2, self.count) + _number(3, _VERSION) + _number(4, self.kind)
        return head + _content(_TYPE, inner)


def _lowered(index: int, rho: int, less: int) -> int:
    """Rho for an index that loses its last bits."""
    tail = index & (1 << less) - 1
    return less + 1 - tail.bit_length() if tail else rho + less


def from_bytes(data: bytes) -> Sketch:
    """The sketch of its bytes.

    Raises:
        ValueError: They are not a sketch.
    """
    try:
        outer = _fields(data)
        inner = _fields(outer[_TYPE])
        sketch = Sketch(outer[4], inner[3], outer[2])
        if outer[1] != _TYPE or outer.get(3) != _VERSION or not LEAST_PRECISION <= inner[3] <= MOST_PRECISION:
            raise ValueError
        if 5 in inner:
            if len(inner[5]) != 1 << sketch.precision:
                raise ValueError
            sketch.dense = bytearray(inner[5])
            return sketch
        _read_sparse(sketch, inner.get(6, b""))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError("Invalid or null sketch") from error
    return sketch


def _read_sparse(sketch: Sketch, data: bytes) -> None:
    flag = 1 << max(sketch.sparse_precision, sketch.precision + _RHO_BITS)
    at, number = 0, 0
    while at < len(data):
        difference, at = _read_varint(data, at)
        number += difference
        if number & flag:
            index = (number ^ flag) >> _RHO_BITS << sketch.sparse_precision - sketch.precision
            sketch.sparse[index] = number & (1 << _RHO_BITS) - 1
        else:
            sketch.sparse[number] = 0


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while data[at] > 127:
        number |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1


def _number(name: int, value: int) -> bytes:
    return _varint(name << 3) + _varint(value)


def _content(name: int, value: bytes) -> bytes:
    return _varint(name << 3 | 2) + _varint(len(value)) + value


def _fields(data: bytes) -> Mapping[int, Any]:
    found: dict[int, Any] = {}
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if key & 7 == 2:
            if at + value > len(data):
                raise ValueError
            found[key >> 3], at = data[at : at + value], at + value
        elif key & 7 == 0:
            found[key >> 3] = value
        else:
            raise ValueError
    return found


def _estimate(registers: bytes | bytearray, precision: int) -> float:
    """Ertl's improved estimate of a dense sketch's count."""
    size, most = len(registers), 64 - precision
    counts = [0] * (most + 2)
    for number in range(most + 2):
        counts[number] = registers.count(number)
    z = size * _tau(1 - counts[most + 1] / size)
    for number in range(most, 0, -1):
        z = 0.5 * (z + counts[number])
    z += size * _sigma(counts[0] / size)
    return size * size / (2 * math.log(2) * z) if z else 0.0


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before, y = math.sqrt(x), z, y * 0.5
        z -= (1 - x) ** 2 * y
    return z / 3


def _bytes_of(value: Any) -> tuple[int, bytes]:
    """What is hashed of a plain value, and the kind of sketch."""
    if isinstance(value, int):
        return _INT64, value.to_bytes(8, "little", signed=True)
    if isinstance(value, decimal.Decimal):
        return _DECIMAL, f"{value.normalize():f}".encode()
    return _TEXT, value.encode() if isinstance(value, str) else value


def init(values: list[Any], precision: int | None = DEFAULT_PRECISION) -> bytes | None:
    """HLL_COUNT.INIT of all values that are not NULL.

    Raises:
        ValueError: The precision is none.
    """
    if precision is None or not LEAST_PRECISION <= precision <= MOST_PRECISION:
        raise ValueError(f"the precision must be between {LEAST_PRECISION} and {MOST_PRECISION}, but is {precision}")
    if not values:
        return None
    sketch = Sketch(_bytes_of(values[0])[0], precision, len(values))
    for value in set(values):
        sketch.add_hash(fingerprint(_bytes_of(value)[1]))
    return sketch.to_bytes()


def _merged(sketches: Iterable[bytes]) -> Sketch | None:
    read = [from_bytes(sketch) for sketch in sketches]
    if not read:
        return None
    if len({sketch.kind for sketch in read}) > 1:
        raise ValueError("the sketches are of values of different types")
    result = Sketch(read[0].kind, min(sketch.precision for sketch in read))
    for sketch in read:
        result.add(sketch)
    return result


def merge_partial(sketches: list[bytes]) -> bytes | None:
    """HLL_COUNT.MERGE_PARTIAL."""
    merged = _merged(sketches)
    return merged.to_bytes() if merged else None


def merge(sketches: list[bytes]) -> int:
    """HLL_COUNT.MERGE."""
    merged = _merged(sketches)
    return merged.estimate() if merged else 0


def extract(sketch: bytes | None) -> int:
    """HLL_COUNT.EXTRACT."""
    return 0 if sketch is None else from_bytes(sketch).estimate()
