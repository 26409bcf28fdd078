"""Sketches and their hash; what statements answer is in tests/conformance/bigquery."""

from __future__ import annotations

import pytest

from services.bigquery.functions import hll, kll
from services.bigquery.functions.fingerprint import fingerprint


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"test", 8473225671271759044), (b"test" * 8, 7345148637025587076), (b"test" * 64, 4904844928629814570)],
)
def test_the_hash_is_that_of_googles_tests(data: bytes, value: int) -> None:
    assert fingerprint(data) == value


def test_the_hash_of_any_length_is_that_of_googles_tests() -> None:
    """The last value of Guava's Fingerprint2011Test.testMultipleLengths, to which 3,200 hashes contribute."""
    buffer, size, value = bytearray(3200), 0, 0
    for i in range(800):
        for step in range(4):
            length = (i, i * i % max(size, 1), i * i * i % max(size, 1), size)[step]
            value ^= fingerprint(bytes(buffer[:length]))
            value = (value ^ value >> 41) * 949921979 & 2**64 - 1
            buffer[size] = ord("a") + (value & 0xFFFFF) % 26
            size += 1
        x = [*buffer[size - 3 : size][::-1], buffer[size // 2]]
        buffer[((x[0] << 16) + (x[1] << 8) + x[2]) % size] ^= x[3]
        buffer[((x[1] << 16) + (x[2] << 8) + x[3]) % size] ^= i % 256
    assert value == 0xEAA3B1C985261632


@pytest.mark.parametrize("precision", [10, 12, 15])
@pytest.mark.parametrize("count", [1, 300, 3_000, 20_000])
def test_the_count_of_a_sketch_is_within_its_error(precision: int, count: int) -> None:
    sketch = hll.init(list(range(count)), precision)
    # Three standard errors of the dense form; small sketches are sparse and exact
    assert abs(hll.extract(sketch) - count) <= max(3 * 1.04 / 2 ** (precision / 2) * count, 0.5)


def test_a_merged_sketch_is_that_of_all_values_in_the_lowest_precision() -> None:
    parts = [
        hll.init(list(range(9_000)), 15),
        hll.init(list(range(8_000, 12_000)), 12),
        hll.init(list(range(12_000, 12_100)), 14),
    ]
    whole = hll.init([*range(9_000), *range(8_000, 12_000), *range(12_000, 12_100)], 12)
    assert hll.merge_partial([part or b"" for part in parts]) == whole
    few = [hll.init(list(range(100)), 14), hll.init(list(range(50, 150)), 11)]
    assert hll.merge_partial([part or b"" for part in few]) == hll.init([*range(100), *range(50, 150)], 11)


@pytest.mark.parametrize("data", [b"", b"abc", b"\x08p\x10\x01\x18\x02 \x0b", b"\x08p\x10\xff\xff"])
def test_what_is_no_sketch_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="sketch"):
        hll.extract(data)
    with pytest.raises(ValueError, match="sketch"):
        kll.extract("INT64", data, 2)


def test_the_ranks_of_a_large_sketch_are_within_its_error() -> None:
    values, precision = [number * 7919 % 50_021 for number in range(50_021)], 100
    sketch = kll.init("INT64", values, precision)
    assert sketch is not None and len(sketch) < 8_000
    found = kll.extract("INT64", sketch, 50)
    assert found[0] == 0 and found[-1] == 50_020
    assert all(abs(value - 50_020 * place / 50) <= 50_021 / precision for place, value in enumerate(found))
