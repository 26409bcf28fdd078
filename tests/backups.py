"""A backup as somebody reads it who has found it: unpacked, without the platform it is from."""

from __future__ import annotations

import gzip
import io
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from cli.archive import archive

TOKEN = re.compile(rb"gAAAAA[A-Za-z0-9_=-]{50,}")
"""What Fernet makes of a block (https://github.com/fernet/spec)."""
KEY = re.compile(rb"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}=(?![A-Za-z0-9_=-])")
"""What could be its key."""


def unpacked(file: Path, *pg_restore: str) -> bytes:
    """All that the file holds, as plain as it gets; `pg_restore` is the command that prints a dump."""
    with tarfile.open(file) as tar:
        found = [plain(member.name, _content(tar, member), pg_restore) for member in tar]
    return b"\n".join(found)


def plain(name: str, content: bytes, pg_restore: tuple[str, ...]) -> bytes:
    """The member's content, without its packing."""
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


def renoted(file: Path, **facts: Any) -> Path:
    """A copy of the backup, beside it, whose manifest says something else of it, and is sealed as it should be."""
    target = file.with_name(f"renoted-{file.name}")
    with archive.opened(file) as backup, archive.new_file(target) as copy:
        kept = {name: value for name, value in backup.manifest.items() if name not in ("format", "members")}
        writer = archive.Writer(copy)
        for name in backup.manifest["members"]:
            content = backup.stream(name).read()
            writer.add(name, lambda sink, content=content: sink.write(content))  # type: ignore[misc]
        writer.finish({**kept, **facts})
    return target


def opened_by(key: bytes, content: bytes) -> list[bytes]:
    """The blocks in it that this key opens."""
    found = []
    for token in set(TOKEN.findall(content)):
        try:
            found.append(Fernet(key).decrypt(token))
        except InvalidToken:
            pass
    return found


def opened_by_itself(content: bytes) -> list[bytes]:
    """The blocks in it that anything in it opens."""
    return [block for key in set(KEY.findall(content)) for block in opened_by(key, content)]
