"""The file of a backup or of a bundle: a tar of a few members, and last a manifest that says what they are.

Members are written as they come, and read as they are needed: nothing is held in memory, and nothing is written twice.
A file without its last member was cut short; one whose members are not those of its manifest is not ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cli.archive import split_files
from cli.programs import ROOT
from orionbox.errors import BadInputError, CommandError

FORMAT = 1
"""Counts up when an older Orionbox could not read it any more."""
MANIFEST = "manifest.json"
PIECE = 1 << 20
"""Bytes that are read at once."""
MOST_MANIFEST = 64 << 20
"""Bytes; a larger one is none of ours."""


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of the file, a piece at a time."""
    return iter(lambda: file.read(PIECE), b"")


@dataclass(frozen=True)
class Kind:
    """What a file is."""

    word: str
    """What it is called when the user is told of it."""
    home: str
    """The folder of the checkout that such files lie in."""

    @property
    def path(self) -> Path:
        """That folder's path."""
        return ROOT / self.home

    @property
    def folder(self) -> str:
        """All members are below it, so that unpacking by hand makes one folder."""
        return f"orionbox-{self.word}"


BACKUP, BUNDLE = Kind("backup", "backups"), Kind("bundle", "bundles")


class Sink:
    """Where a member is written to: counts and sums up what passes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, piece: bytes) -> int:
        """Writes all of it."""
        self._digest.update(piece)
        self._size += len(piece)
        return self._file.write(piece)

    def noted(self) -> dict[str, Any]:
        """What the manifest says of the member."""
        return {"bytes": self._size, "sha256": self._digest.hexdigest()}


class Writer:
    """Adds members to an open file, whose sizes are known only when they have been written."""

    def __init__(self, file: IO[bytes], kind: Kind = BACKUP) -> None:
        self._file, self._kind = file, kind
        self.members: dict[str, dict[str, Any]] = {}

    def add(self, name: str, write: Callable[[Sink], object]) -> None:
        """Adds a member; `write` is given the sink for its content."""
        start, sink = self._file.tell(), Sink(self._file)
        self._file.write(self._header(name, 0))
        write(sink)
        noted = sink.noted()
        self._file.write(bytes(-noted["bytes"] % tarfile.BLOCKSIZE))
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(self._header(name, noted["bytes"]))
        self._file.seek(end)
        self.members[name] = noted

    def finish(self, facts: dict[str, Any]) -> None:
        """Writes the manifest, and the end of the tar."""
        manifest = {"format": FORMAT, **facts, "members": self.members}
        text = json.dumps({**manifest, "sha256": _digest(manifest)}, indent=2) + "\n"
        self.add(MANIFEST, lambda sink: sink.write(text.encode()))
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))

    def _header(self, name: str, size: int) -> bytes:
        member = tarfile.TarInfo(f"{self._kind.folder}/{name}")
        member.size, member.mode = size, 0o600
        return member.tobuf(tarfile.GNU_FORMAT)


def _digest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def require_space(kind: Kind, needed: int) -> None:
    """Makes the folder for such files, and looks whether `needed` bytes would fit.

    Raises:
        CommandError: they would not.
    """
    kind.path.mkdir(exist_ok=True)
    free = shutil.disk_usage(kind.path).free
    if free < needed:
        raise CommandError(f"{kind.home}/ has {free / 1e9:.1f} GB free, and this may need {needed / 1e9:.1f} GB")


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that only its owner can read, and that appears under its name when it is complete, or not at all."""
    partial = path.with_name(f".{path.name}.part")
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@dataclass
class Archive:
    """A file that has been opened, and is as it was written."""

    path: Path
    tar: tarfile.TarFile
    manifest: dict[str, Any] = field(default_factory=dict)
    kind: Kind = BACKUP

    def stream(self, name: str) -> IO[bytes]:
        """The member's content."""
        content = self.tar.extractfile(f"{self.kind.folder}/{name}")
        assert content is not None, "check() has seen it as a file"
        return content

    def has(self, name: str) -> bool:
        """Whether there is such a member."""
        return name in self.manifest["members"]


@contextmanager
def opened(path: Path, kind: Kind = BACKUP) -> Iterator[Archive]:
    """The file, or all its parts where it is the first of several, after a look at every byte.

    Raises:
        BadInputError: there is no such file, it is of another kind or a newer format, cut short, or damaged.
    """
    if not path.is_file():
        raise BadInputError(f"FILE={path}: there is no such file; what there is lies in {kind.home}/")
    try:
        with split_files.opened(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            archive = Archive(path, tar, kind=kind)
            _check(archive)
            yield archive
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise BadInputError(
            f"{path.name} is not a {kind.word}, or a damaged one ({error}); nothing was changed"
        ) from error


def _check(archive: Archive) -> None:
    members = archive.tar.getmembers()
    names = [member.name for member in members]
    if not names or not names[0].startswith(f"{archive.kind.folder}/"):
        raise BadInputError(f"{archive.path.name} is not a {archive.kind.word} of Orionbox; nothing was changed")
    if names[-1] != f"{archive.kind.folder}/{MANIFEST}":
        raise BadInputError(f"{archive.path.name} is cut short: its end is missing; nothing was changed")
    archive.manifest = _manifest(archive, members[-1].size)
    expected = [f"{archive.kind.folder}/{name}" for name in (*archive.manifest["members"], MANIFEST)]
    if names != expected or not all(member.isreg() for member in members):
        raise BadInputError(f"{archive.path.name} holds other members than its manifest says; nothing was changed")
    for name, noted in archive.manifest["members"].items():
        _check_member(archive, name, noted)


def _manifest(archive: Archive, size: int) -> dict[str, Any]:
    damaged = BadInputError(f"{archive.path.name} is damaged: its manifest is not as it was; nothing was changed")
    if size > MOST_MANIFEST:
        raise damaged
    try:
        manifest: dict[str, Any] = json.loads(archive.stream(MANIFEST).read())
        seal, version = manifest.pop("sha256"), manifest["format"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged from error
    if seal != _digest(manifest):
        raise damaged
    if version > FORMAT:
        raise BadInputError(
            f"{archive.path.name} has format {version}, of a newer Orionbox; this one reads up to {FORMAT}. "
            "Use it with that version; nothing was changed"
        )
    return manifest


def _check_member(archive: Archive, name: str, noted: dict[str, Any]) -> None:
    digest = hashlib.sha256()
    for piece in pieces(archive.stream(name)):
        digest.update(piece)
    if digest.hexdigest() != noted["sha256"]:
        raise BadInputError(f"{archive.path.name} is damaged: {name} is not as it was; nothing was changed")
    if name.endswith(".tar.gz"):
        _check_names(archive, name)


def _check_names(archive: Archive, name: str) -> None:
    """Every file of an inner tar stays below the folder that it is unpacked in."""
    with tarfile.open(fileobj=archive.stream(name), mode="r|gz") as tar:
        for member in tar:
            leads_out = member.name.startswith("/") or ".." in member.name.split("/")
            if leads_out or not (member.isreg() or member.isdir()):
                found = f"{name} holds {member.name!r}"
                raise BadInputError(f"{archive.path.name}: {found}, which no {archive.kind.word} does")
