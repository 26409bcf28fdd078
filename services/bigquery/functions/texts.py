"""NORMALIZE, NORMALIZE_AND_CASEFOLD, TO_BASE32 and FROM_BASE32, which Google's module lacks, or has without its data.

https://cloud.google.com/bigquery/docs/reference/standard-sql/string_functions
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
from typing import Literal

Form = Literal["NFC", "NFKC", "NFD", "NFKD"]
FORMS: tuple[Form, ...] = ("NFC", "NFKC", "NFD", "NFKD")
"""In the order of the module's enumeration."""


def normalize(value: str, form: Form = "NFC") -> str:
    """A string in one of Unicode's normalization forms."""
    return unicodedata.normalize(form, value)


def normalize_and_casefold(value: str, form: Form = "NFC") -> str:
    """Likewise, and then without differences of case: GoogleSQL does not normalize again."""
    return unicodedata.normalize(form, value).casefold()


def to_base32(value: bytes) -> str:
    """Bytes in RFC 4648's base32."""
    return base64.b32encode(value).decode()


def from_base32(value: str) -> bytes:
    """The bytes of base32.

    Raises:
        ValueError: It is not base32.
    """
    try:
        return base64.b32decode(value)
    except (binascii.Error, ValueError) as error:
        raise ValueError("Failed to decode invalid base32 string") from error
