"""The key with which Orion encrypts its blocks.

Orion keeps it in the same database as the blocks, so a backup leaves it out. A copy of it stays in secrets/.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from pathlib import Path

from cli.archive.snapshots import KEY_TABLE
from cli.programs import ROOT
from cli.runtimes.runtime import Stores
from orionbox.errors import CommandError
from orionbox.files import write_private

FOLDER = ROOT / "secrets"
ENTRY = "ENCRYPTION_KEY"
"""The name that prefect.server.utilities.encryption uses."""


def read(stores: Stores) -> str:
    """Returns the key of the platform.

    Raises:
        CommandError: Orion has not made one yet.
    """
    found = stores.ask_orion(f"SELECT value FROM {KEY_TABLE} WHERE key = '{ENTRY}'")
    if not found:
        raise CommandError("the platform's first start has not ended, so there is nothing to back up", "run: make up")
    return str(json.loads(found[0])["fernet_key"])


def put(stores: Stores, key: str) -> None:
    """Writes the key into Orion's database, which has none; Orion is not running."""
    stores.ask_orion(
        f"INSERT INTO {KEY_TABLE} (id, created, updated, key, value) VALUES "
        "(:id, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, :entry, :value)",
        id=str(uuid.uuid4()),
        entry=ENTRY,
        value=json.dumps({"fernet_key": key}),
    )


def is_valid(key: str) -> bool:
    """Returns whether this is a key of Fernet: 32 bytes in URL-safe base64 (https://github.com/fernet/spec)."""
    return bool(re.fullmatch(r"[A-Za-z0-9_-]{43}=", key))


def fingerprint(key: str) -> str:
    """Returns a short hash that identifies the key without revealing it."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def key_file(fingerprint: str) -> Path:
    """Returns the file in secrets/ for the key with that fingerprint."""
    return FOLDER / f"orion-{fingerprint}.key"


def save(key: str) -> Path:
    """Writes the key into secrets/; returns the file."""
    file = key_file(fingerprint(key))
    write_private(file, key)
    return file


def load(fingerprint: str) -> str:
    """Returns the key with that fingerprint; empty if secrets/ does not have it."""
    file = key_file(fingerprint)
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""
