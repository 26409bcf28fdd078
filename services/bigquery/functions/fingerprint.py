"""Fingerprint2011, the 64-bit hash of Google's sketches.

Google documents it as part of Guava (`Hashing.fingerprint2011`); tests/unit has the values of its tests.
"""

from __future__ import annotations

_ALL = 2**64 - 1
_K0, _K1, _K2, _K3 = 0xA5B85C5E198ED849, 0x8D58AC26AFE12E47, 0xC47B6E9E3A970ED3, 0xC6A4A7935BD1E995


def fingerprint(data: bytes) -> int:
    """The hash, without a sign."""
    if len(data) <= 32:
        result = _murmur(data, _K0 ^ _K1 ^ _K2)
    else:
        result = _middle(data) if len(data) <= 64 else _long(data)
    first = _word(data, 0) if len(data) >= 8 else _K0
    last = _word(data, len(data) - 8) if len(data) >= 9 else _K0
    result = _combine(result + last, first)
    return (result - 2) & _ALL if result in (0, 1) else result


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _mix(value: int) -> int:
    return value ^ value >> 47


def _rotate(value: int, bits: int) -> int:
    value &= _ALL
    return (value >> bits | value << 64 - bits) & _ALL


def _combine(high: int, low: int) -> int:
    first = _mix(((low ^ high) * _K3) & _ALL)
    return (_mix(((high ^ first) * _K3) & _ALL) * _K3) & _ALL


def _murmur(data: bytes, seed: int) -> int:
    value, whole = seed ^ (len(data) * _K3) & _ALL, len(data) & ~7
    for at in range(0, whole, 8):
        value ^= _mix((_word(data, at) * _K3) & _ALL) * _K3 & _ALL
        value = value * _K3 & _ALL
    if len(data) > whole:
        value = (value ^ _word(data, whole)) * _K3 & _ALL
    return _mix(_mix(value) * _K3 & _ALL)


def _half(first: int, tail: int, words: tuple[int, int]) -> tuple[int, int]:
    """One half of the hash of 33 to 64 bytes."""
    turned, other, value = _rotate(first + tail, 52), _rotate(first, 37), first + words[0]
    other += _rotate(value, 7)
    value += words[1]
    return value + tail, turned + _rotate(value, 31) + other


def _middle(data: bytes) -> int:
    size = len(data)
    first = _word(data, 0) + (size + _word(data, size - 16)) * _K0
    one, two = _half(first, _word(data, 24), (_word(data, 8), _word(data, 16)))
    first = _word(data, 16) + _word(data, size - 32)
    three, four = _half(first, _word(data, size - 8), (_word(data, size - 24), _word(data, size - 16)))
    value = _mix(((one + four) * _K2 + (three + two) * _K0) & _ALL)
    return _mix((value * _K0 + two) & _ALL) * _K2 & _ALL


def _weak(data: bytes, at: int, first: int, second: int) -> tuple[int, int]:
    """Two words of 32 bytes with two seeds."""
    words = [_word(data, at + 8 * number) for number in range(4)]
    first += words[0]
    second = _rotate(second + first + words[3], 51)
    kept = first
    first += words[1] + words[2]
    second += _rotate(first, 23)
    return (first + words[3]) & _ALL, (second + kept) & _ALL


def _long(data: bytes) -> int:
    size = len(data)
    x, y, z = _word(data, 0), _word(data, size - 16) ^ _K1, _word(data, size - 56) ^ _K0
    v = _weak(data, size - 64, size, y)
    w = _weak(data, size - 32, size * _K1, _K0)
    z = (z + _mix(v[1]) * _K1) & _ALL
    x = _rotate(z + x, 39) * _K1 & _ALL
    y = _rotate(y, 33) * _K1 & _ALL
    for at in range(0, (size - 1) & ~63, 64):
        x = _rotate(x + y + v[0] + _word(data, at + 16), 37) * _K1 & _ALL
        y = _rotate(y + v[1] + _word(data, at + 48), 42) * _K1 & _ALL
        x, y, z = x ^ w[1], y ^ v[0], _rotate(z ^ w[0], 33)
        v = _weak(data, at, v[1] * _K1, x + w[0])
        w = _weak(data, at + 32, z + w[1], y)
        x, z = z, x
    left = _combine(v[0], w[0]) + _mix(y) * _K1 + z
    return _combine(left & _ALL, (_combine(v[1], w[1]) + x) & _ALL)
