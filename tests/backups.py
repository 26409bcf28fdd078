"""Reads and edits backup files without the platform that wrote them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from cli.archive import archive
from orionbox.files import new_file

TOKEN = re.compile(rb"gAAAAA[A-Za-z0-9_=-]{50,}")
"""A block that Fernet has encrypted (https://github.com/fernet/spec)."""
KEY = re.compile(rb"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}=(?![A-Za-z0-9_=-])")
"""A text in the form of such a key."""


def read_content(file: Path, *pg_restore: str) -> bytes:
    """Returns everything in the file, decompressed; `pg_restore` is the command that prints a dump."""
    with tarfile.open(file) as tar:
        return b"\n".join(decompress(member.name, _content(tar, member), pg_restore) for member in tar)


def decompress(name: str, content: bytes, pg_restore: tuple[str, ...]) -> bytes:
    """Returns the member's content, decompressed."""
    if name.endswith(".dump"):
        return subprocess.run([*pg_restore, "--file=-"], input=content, stdout=subprocess.PIPE, check=True).stdout
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    if name.endswith(".tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(content)) as inner:
            content += b"".join(_content(inner, member) for member in inner if member.isreg())
    return content


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def rewrite_backup(file: Path, replaced: dict[str, bytes] | None = None, **facts: Any) -> Path:
    """Writes a copy beside a backup with other content or facts, and matching checksums."""
    target = file.with_name(f"resealed-{file.name}")
    with archive.open_archive(file) as backup, new_file(target) as copy:
        old_facts = {name: value for name, value in backup.manifest.items() if name not in ("format", "members")}
        writer = archive.ArchiveWriter(copy)
        for name in backup.manifest["members"]:
            writer.add_bytes(name, (replaced or {}).get(name) or backup.stream(name).read())
        writer.finish({**old_facts, **facts})
    return target


def write_as_0_1_0(file: Path, target: Path) -> None:
    """Writes the content of a backup as version 0.1.0 did: without signature, and with sizes of the members alone."""
    with archive.open_archive(file) as backup, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        names = ("runtime", "cloud", "bytes", "platform", "made", "key", "rows")
        manifest: dict[str, Any] = {"format": 1, **{name: backup.manifest[name] for name in names}, "orionbox": "0.1.0"}
        manifest["members"] = members = {}
        for name in backup.manifest["members"]:
            content = backup.stream(name).read()
            members[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            _add(tar, name, content)
        digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
        _add(tar, "manifest.json", json.dumps({**manifest, "sha256": digest}, indent=2).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(f"orionbox-backup/{name}")
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def decrypt_blocks(key: bytes, content: bytes) -> list[bytes]:
    """Returns the blocks that this key decrypts."""
    found = []
    for token in set(TOKEN.findall(content)):
        try:
            found.append(Fernet(key).decrypt(token))
        except InvalidToken:
            pass
    return found


def decrypt_with_own_keys(content: bytes) -> list[bytes]:
    """Returns the blocks that a key in the content itself decrypts."""
    return [block for key in set(KEY.findall(content)) for block in decrypt_blocks(key, content)]
