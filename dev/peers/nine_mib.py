"""Writes `random_9_MiB_file` with the CRC32C that google-cloud-storage's tests expect: python nine_mib.py FILE.

The last four bytes are chosen so that the checksum comes out: CRC is linear, so they can be computed backwards.
"""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import google_crc32c

SIZE, WANTED, POLYNOMIAL = 9 * 2**20, "20tD7w==", 0x82F63B78


def make() -> bytes:
    """Return the content."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ POLYNOMIAL if value & 1 else value >> 1
        table.append(value)
    by_top_byte = {value >> 24: byte for byte, value in enumerate(table)}
    content = os.urandom(SIZE - 4)
    before: int = google_crc32c.value(content) ^ 0xFFFFFFFF
    after = int.from_bytes(base64.b64decode(WANTED), "big") ^ 0xFFFFFFFF
    for _ in range(4):
        byte = by_top_byte[after >> 24]
        after = ((after ^ table[byte]) << 8) & 0xFFFFFFFF | byte
    return content + (after ^ before).to_bytes(4, "little")


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(make())
