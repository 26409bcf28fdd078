"""The signature of a backup or bundle, by which a checkout knows the files that it made itself.

An HMAC (RFC 2104) with a key that only this checkout has: it says "made here, and not changed since", and nothing about
files of others, which anybody may have made.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cli.programs import ROOT
from orionbox.files import exclusive, write_private

KEY = ROOT / "secrets/archive.key"


def sign(kind: str, digest: str) -> str:
    """Returns the signature of a manifest; creates the checkout's key if there is none.

    Args:
        kind: the kind of archive: a backup is no bundle.
        digest: the hash of the manifest, which has the hash of every member.
    """
    with exclusive(ROOT):
        if not _read():
            KEY.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(KEY, secrets.token_hex(32))
    return _signature(_read(), kind, digest)


def is_own(signature: object, kind: str, digest: str) -> bool:
    """Returns whether this checkout has signed that manifest."""
    key = _read()
    return (
        bool(key)
        and isinstance(signature, str)
        and hmac.compare_digest(signature.encode(), _signature(key, kind, digest).encode())
    )


def _signature(key: str, kind: str, digest: str) -> str:
    return hmac.new(key.encode(), f"orionbox {kind}\n{digest}".encode(), hashlib.sha256).hexdigest()


def _read() -> str:
    """Returns the key; empty if there is none, or only a file that was cut off."""
    text = KEY.read_text(encoding="utf-8").strip() if KEY.is_file() else ""
    return text if len(text) == 64 else ""
