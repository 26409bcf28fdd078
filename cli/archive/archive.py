"""The file of a backup or a bundle: a tar of a few members, with a manifest as the last one.

Neither the writer nor the reader holds a member in memory. A file without its last member was cut short. A file whose
members differ from its manifest was damaged or changed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cli.programs import CHUNK, ROOT
from cli.waiting import waiting_for
from orionbox.errors import BadInputError, CommandError

FORMAT = 1
"""Increases when older versions of Orionbox cannot read the new format."""
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 64 << 20
"""Bytes; a larger manifest is damaged."""


@dataclass(frozen=True)
class ArchiveType:
    """The kind of an archive: backup or bundle."""

    name: str
    """Shown in messages."""
    directory: str
    """The folder of the checkout for such files."""

    @property
    def path(self) -> Path:
        """The path of that folder."""
        return ROOT / self.directory

    def create_folder(self) -> Path:
        """Creates that folder if it is missing; returns its path."""
        self.path.mkdir(exist_ok=True)
        return self.path

    @property
    def top_level(self) -> str:
        """The folder inside the tar that holds all members: unpacking by hand creates this one folder."""
        return f"orionbox-{self.name}"


BACKUP, BUNDLE = ArchiveType("backup", "backups"), ArchiveType("bundle", "bundles")


def read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Reads the rest of the file, a chunk at a time."""
    return iter(lambda: file.read(CHUNK), b"")


def require_space(folder: Path, needed: int) -> None:
    """Refuses a folder on a disk with fewer than `needed` bytes free.

    Raises:
        CommandError: the disk has less free space.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CommandError(
            f"{folder} has {free / 1e9:.1f} GB free, and the file may need {needed / 1e9:.1f} GB",
            "free some space there",
        )


# --- writing ---


class MemberWriter:
    """Writes the content of one member, and computes its size and SHA-256 on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, chunk: bytes) -> int:
        """Writes all of the chunk."""
        self._digest.update(chunk)
        self._size += len(chunk)
        return self._file.write(chunk)

    def facts(self) -> dict[str, Any]:
        """Returns what the manifest says about the member."""
        return {"bytes": self._size, "sha256": self._digest.hexdigest()}


class ArchiveWriter:
    """Adds members to an open file. It learns the size of a member while it writes the member."""

    def __init__(self, file: IO[bytes], type_: ArchiveType = BACKUP) -> None:
        self._file, self._type = file, type_
        self.members: dict[str, dict[str, Any]] = {}

    def add(self, name: str, write: Callable[[MemberWriter], object]) -> None:
        """Adds a member; calls `write` to write its content."""
        start, member = self._file.tell(), MemberWriter(self._file)
        self._file.write(self._header(name, 0))
        write(member)
        facts = member.facts()
        self._file.write(bytes(-facts["bytes"] % tarfile.BLOCKSIZE))
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(self._header(name, facts["bytes"]))
        self._file.seek(end)
        self.members[name] = facts

    def add_bytes(self, name: str, content: bytes) -> None:
        """Adds a small member."""
        self.add(name, lambda member: member.write(content))

    def finish(self, facts: dict[str, Any]) -> None:
        """Writes the manifest with these facts, and the end of the tar."""
        manifest = {"format": FORMAT, **facts, "members": self.members}
        self.add_bytes(MANIFEST, json.dumps({**manifest, "sha256": _digest(manifest)}, indent=2).encode() + b"\n")
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))

    def _header(self, name: str, size: int) -> bytes:
        header = tarfile.TarInfo(f"{self._type.top_level}/{name}")
        header.size, header.mode = size, 0o600
        return header.tobuf(tarfile.GNU_FORMAT)


def _digest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


# --- reading ---


@dataclass
class Archive:
    """An open archive whose every byte has been checked."""

    path: Path
    tar: tarfile.TarFile
    manifest: dict[str, Any] = field(default_factory=dict)
    type: ArchiveType = BACKUP

    def stream(self, name: str) -> IO[bytes]:
        """Opens a member."""
        content = self.tar.extractfile(f"{self.type.top_level}/{name}")
        assert content is not None, "verified by _check"
        return content


@contextmanager
def open_archive(path: Path, type_: ArchiveType = BACKUP) -> Iterator[Archive]:
    """Opens an archive after verifying every byte.

    Raises:
        BadInputError: the file is missing, incomplete, damaged, of another type or of a newer format.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}", f"name one of the files in {type_.directory}/") from error
    with file:
        with waiting_for(f"the check of {path.name}"):
            verified = _open_and_verify(path, file, type_)
        yield verified


def _open_and_verify(path: Path, file: IO[bytes], type_: ArchiveType) -> Archive:
    """Opens the archive in `file` and compares it with its manifest."""
    try:
        archive = Archive(path, tarfile.open(fileobj=file, mode="r:"), type=type_)
        _check(archive)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _refusal(path, f"is not a {type_.name}, or is damaged ({error})") from error
    return archive


def _refusal(path: Path, reason: str, fix: str = "") -> BadInputError:
    return BadInputError(f"{path.name} {reason}; nothing was changed", fix)


def _check(archive: Archive) -> None:
    type_, members = archive.type, archive.tar.getmembers()
    names = [member.name for member in members]
    if not names or not names[0].startswith(f"{type_.top_level}/"):
        raise _refusal(archive.path, f"is not a {type_.name} of Orionbox")
    if names[-1] != f"{type_.top_level}/{MANIFEST}":
        raise _refusal(archive.path, "is incomplete: its end is missing", "copy the file again")
    archive.manifest = _read_manifest(archive, members[-1].size)
    expected = [f"{type_.top_level}/{name}" for name in (*archive.manifest["members"], MANIFEST)]
    if names != expected or not all(member.isreg() for member in members):
        raise _refusal(archive.path, "is damaged: its members are not those of its manifest")
    for name, facts in archive.manifest["members"].items():
        _check_member(archive, name, facts["sha256"])


def _read_manifest(archive: Archive, size: int) -> dict[str, Any]:
    damaged = _refusal(archive.path, "is damaged: the checksum of its manifest is wrong", "copy the file again")
    if size > LARGEST_MANIFEST:
        raise damaged
    try:
        manifest: dict[str, Any] = json.loads(archive.stream(MANIFEST).read())
        digest, version = manifest.pop("sha256"), manifest["format"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged from error
    if digest != _digest(manifest):
        raise damaged
    if version > FORMAT:
        reason = f"has format {version}, and this Orionbox reads formats up to {FORMAT}"
        raise _refusal(archive.path, reason, "use a newer Orionbox")
    return manifest


def _check_member(archive: Archive, name: str, expected: str) -> None:
    digest = hashlib.sha256()
    for chunk in read_chunks(archive.stream(name)):
        digest.update(chunk)
    if digest.hexdigest() != expected:
        raise _refusal(archive.path, f"is damaged: the checksum of {name} is wrong", "copy the file again")
    if name.endswith(".tar.gz"):
        _check_paths(archive, name)


def _check_paths(archive: Archive, name: str) -> None:
    """Refuses a tar inside the archive that would write outside the folder that it is unpacked in."""
    with tarfile.open(fileobj=archive.stream(name), mode="r|gz") as tar:
        for member in tar:
            is_outside = member.name.startswith("/") or ".." in member.name.split("/")
            if is_outside or not (member.isreg() or member.isdir()):
                raise _refusal(archive.path, f"is unsafe: {name} holds {member.name!r}", "do not use this file")
