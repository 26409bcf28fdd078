"""The file of a backup or a bundle: a tar of a few members, with a manifest as the last one.

Neither the writer nor the reader holds a member in memory. A file without its last member was cut short. A file whose
members differ from its manifest was damaged or changed. A file that anybody may have made is opened in this order: the
list of members, the manifest, the checks of whoever opens it, and only then the content.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from cli.archive import manifest as manifests
from cli.archive import signature, tars
from cli.programs import CHUNK, ROOT
from cli.waiting import waiting_for
from orionbox.errors import BadInputError, CommandError, printable

FORMAT = 1
"""Increases when older versions of Orionbox cannot read the new format."""
MANIFEST = "manifest.json"
SLACK = 64 << 20
"""Bytes that a store may have beyond those that it had on disk."""
MOST_EXPANSION = 50
"""How many bytes may become of one; those of a store become about ten, and gzip's most are a thousand."""


@dataclass(frozen=True)
class ArchiveType:
    """The kind of an archive: backup or bundle."""

    name: str
    """Shown in messages."""
    directory: str
    """The folder of the checkout for such files."""
    members: tuple[str, ...]
    """The names that its members may have, besides the manifest."""

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


BACKUP = ArchiveType(
    "backup",
    "backups",
    ("orion.dump", "orion.sqlite.gz", "warehouse.dump", "bigquery.tar.gz", "bucket.tar.gz", "orion.key"),
)
BUNDLE = ArchiveType(
    "bundle", "bundles", ("READ-ME-FIRST.txt", "orionbox.tar.gz", "history.git", "data.tar.gz", "images.tgz")
)


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
        self.unpacked: int | None = None
        """Bytes of a compressed content when it is unpacked, which bounds what a reader unpacks."""

    def write(self, chunk: bytes) -> int:
        """Writes all of the chunk."""
        self._digest.update(chunk)
        self._size += len(chunk)
        return self._file.write(chunk)

    def facts(self) -> dict[str, Any]:
        """Returns what the manifest says about the member."""
        unpacked = {} if self.unpacked is None else {"unpacked": self.unpacked}
        return {"bytes": self._size, "sha256": self._digest.hexdigest(), **unpacked}


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
        """Writes the manifest with these facts, signed, and the end of the tar.

        Raises:
            CommandError: the manifest is larger than a reader accepts.
        """
        manifest: dict[str, Any] = {"format": FORMAT, **facts, "members": self.members}
        manifest.pop("signature", None)  # a copy of another archive's facts
        manifest["signature"] = signature.sign(self._type.name, manifests.digest(manifest))
        text = json.dumps({**manifest, "sha256": manifests.digest(manifest)}, indent=2).encode() + b"\n"
        if len(text) > manifests.LARGEST:
            raise CommandError(
                f"the list of what the {self._type.name} holds has {len(text):,} bytes, and may have "
                f"{manifests.LARGEST:,}: there are too many tables or buckets",
                "drop those that you no longer need",
            )
        self.add_bytes(MANIFEST, text)
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))

    def _header(self, name: str, size: int) -> bytes:
        header = tarfile.TarInfo(f"{self._type.top_level}/{name}")
        header.size, header.mode = size, 0o600
        return header.tobuf(tarfile.GNU_FORMAT)


# --- reading ---


@dataclass
class Archive:
    """An open archive. Every byte of it has been checked when `open_archive` yields it."""

    path: Path
    tar: tarfile.TarFile
    manifest: dict[str, Any] = field(default_factory=dict)
    type: ArchiveType = BACKUP
    headers: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    """The header of each member, by its name."""
    is_own: bool = False
    """Whether this checkout has made it."""

    @property
    def shown_name(self) -> str:
        """The name of its file, for a message."""
        return printable(self.path.name)

    def stream(self, name: str) -> IO[bytes]:
        """Opens a member."""
        content = self.tar.extractfile(self.headers[name])
        assert content is not None, "verified by _list"
        return content

    def unpacked(self, name: str) -> int:
        """Returns how many bytes a member has when it is unpacked, as the manifest says.

        Archives of early versions do not say it of compressed members: these may have as much as all stores had on disk
        or, where the manifest does not say that either, MOST_EXPANSION times their size.
        """
        facts = self.manifest["members"][name]
        if "unpacked" in facts or not name.endswith((".gz", ".tgz")):
            return int(facts.get("unpacked", facts["bytes"]))
        stated = SLACK + int(2 * self.manifest.get("bytes", 0) or MOST_EXPANSION * facts["bytes"])
        return min(stated, shutil.disk_usage(ROOT).free)


def _accept(_: Archive) -> None:
    """Accepts any archive."""


@contextmanager
def open_archive(
    path: Path, type_: ArchiveType = BACKUP, check: Callable[[Archive], object] = _accept
) -> Iterator[Archive]:
    """Opens an archive after verifying every byte.

    Args:
        path: the file.
        type_: what it has to be.
        check: refuses an archive by its manifest, before anything of its content is read.

    Raises:
        BadInputError: the file is missing, incomplete, damaged, of another type or of a newer format.
    """
    try:
        if path.is_fifo():
            raise OSError(errno.ESPIPE, "is a pipe, which would be waited for")
        file = path.open("rb")
    except OSError as error:
        reason = f"{printable(str(path))}: {error.strerror}"
        raise BadInputError(reason, f"name one of the files in {type_.directory}/") from error
    with file:
        archive = Archive(path, cast(tarfile.TarFile, None), type=type_)
        with _explained(archive):
            _read_facts(archive, file)
        check(archive)
        with waiting_for(f"the check of {archive.shown_name}"), _explained(archive):
            for name in archive.manifest["members"]:
                _check_member(archive, name)
        yield archive


@contextmanager
def _explained(archive: Archive) -> Iterator[None]:
    """Explains errors of a file that is damaged, or no archive."""
    try:
        yield
    except tars.UnsafeTarError as error:
        raise _refusal(archive, f"is unsafe: it holds {error}", "do not use this file") from error
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _refusal(archive, f"is not a {archive.type.name}, or is damaged ({error})") from error


def _refusal(archive: Archive, reason: str, fix: str = "") -> BadInputError:
    return BadInputError(f"{archive.shown_name} {reason}; nothing was changed", fix)


def _read_facts(archive: Archive, file: IO[bytes]) -> None:
    """Reads the list of members and the manifest."""
    archive.headers = _list(archive, file)
    file.seek(0)
    archive.tar = tarfile.open(fileobj=file, mode="r:")
    archive.manifest = _read_manifest(archive)
    sizes = {name: facts["bytes"] for name, facts in archive.manifest["members"].items()}
    found = {name: header.size for name, header in archive.headers.items() if name != MANIFEST}
    if list(sizes.items()) != list(found.items()):
        raise _refusal(archive, "is damaged: its members are not those of its manifest")


def _list(archive: Archive, file: IO[bytes]) -> dict[str, tarfile.TarInfo]:
    """Returns the header of every member, by its name; the manifest is the last one."""
    top, allowed = f"{archive.type.top_level}/", (*archive.type.members, MANIFEST)
    found: dict[str, tarfile.TarInfo] = {}

    def skip(size: int) -> None:
        file.seek(size, os.SEEK_CUR)

    for member in tars.list_members(file, skip, most=len(allowed), with_extensions=False):
        name = member.name[len(top) :]
        if not member.name.startswith(top) and not found:
            raise _refusal(archive, f"is not a {archive.type.name} of Orionbox")
        if member.name != f"{top}{name}" or name not in allowed or name in found or not member.isreg():
            named = printable(member.name[:200])
            raise _refusal(archive, f"is unsafe: it holds {named}, which no {archive.type.name} has")
        member.offset_data = file.tell()
        found[name] = member
    if list(found)[-1:] != [MANIFEST]:
        raise _refusal(archive, "is incomplete: its end is missing", "copy the file again")
    return found


def _read_manifest(archive: Archive) -> dict[str, Any]:
    damaged = _refusal(archive, "is damaged: the checksum of its manifest is wrong", "copy the file again")
    if archive.headers[MANIFEST].size > manifests.LARGEST:
        raise damaged
    try:
        manifest: dict[str, Any] = json.loads(archive.stream(MANIFEST).read())
        digest, version = manifest.pop("sha256"), manifest["format"]
        is_whole = digest == manifests.digest(manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged from error
    if not is_whole:
        raise damaged
    if type(version) is int and version > FORMAT:
        reason = f"has format {version}, and this Orionbox reads formats up to {FORMAT}"
        raise _refusal(archive, reason, "use a newer Orionbox")
    if wrong := manifests.first_wrong_fact(manifest):
        raise _refusal(archive, f"is unsafe: {wrong} in its manifest has a form that Orionbox never writes")
    signed = {name: value for name, value in manifest.items() if name != "signature"}
    archive.is_own = signature.is_own(manifest.get("signature"), archive.type.name, manifests.digest(signed))
    return manifest


def _check_member(archive: Archive, name: str) -> None:
    digest, facts = hashlib.sha256(), archive.manifest["members"][name]
    for chunk in read_chunks(archive.stream(name)):
        digest.update(chunk)
    if digest.hexdigest() != facts["sha256"]:
        raise _refusal(archive, f"is damaged: the checksum of {name} is wrong", "copy the file again")
    if name.endswith(".gz"):
        try:
            _check_unpacked(archive, name)
        except tars.UnsafeTarError as error:
            raise _refusal(archive, f"is unsafe: {name} holds {error}", "do not use this file") from error


def _check_unpacked(archive: Archive, name: str) -> None:
    """Unpacks a member into nothing: refuses more bytes than it may have, and files outside its folder."""
    with gzip.open(archive.stream(name)) as content:
        limited = tars.LimitedReader(cast("IO[bytes]", content), archive.unpacked(name))
        if name.endswith(".tar.gz"):
            for _ in tars.list_members(limited, partial(tars.skip_by_reading, limited)):
                pass
        while limited.read(CHUNK):  # what follows the end of a tar
            pass
