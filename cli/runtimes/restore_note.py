"""The note of a restore that is under way, in `.ports/NAME-RUNTIME.restore`.

It is written before the first change and deleted at the end, so a restore that was killed is not taken for a platform.
The restore holds a lock on it: a note without a lock is of a restore that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cli.programs import ROOT
from cli.runtimes import checkout, ports
from cli.runtimes.runtime import Runtime
from orionbox.errors import CommandError

Rows = dict[str, dict[str, int]]
"""Rows by snapshot and table."""


@dataclass
class RestoreNote:
    """What is known of a restore."""

    file: str
    """The backup, as the user names it."""
    is_filled: bool = False
    """Whether all data is in place, and only the start of the platform is missing."""
    unfinished: dict[str, list[str]] = field(default_factory=dict)
    """The ids of runs that were in progress when the backup was made, by table."""
    rows: Rows = field(default_factory=dict)
    """What the backup has recorded."""

    def describe(self, platform: str) -> str:
        """Returns what the platform holds."""
        if self.is_filled:
            return f"platform {platform} has all data of {self.file}, but has not started since it was restored"
        return f"the restore of {self.file} was interrupted, and platform {platform} holds only a part of it"

    @property
    def fix(self) -> str:
        """What to do next."""
        if self.is_filled:
            return "complete the restore with: make up; or delete the data with: make reset"
        return f"repeat it with: make restore FILE={self.file}; or delete that part with: make reset"


def note_file(runtime: Runtime) -> Path:
    """Returns the file of a platform's note."""
    return ports.ports_file(runtime.settings, runtime.name).with_suffix(".restore")


def read(runtime: Runtime) -> RestoreNote | None:
    """Returns the note of a restore that did not end; None if there is none.

    Raises:
        CommandError: a restore is running.
    """
    file = note_file(runtime)
    # A copy of a checkout has none of its platforms on Docker
    if not file.is_file() or (runtime.name == checkout.COMPOSE and checkout.read(ROOT).copied_from):
        return None
    with _locked(runtime, os.O_RDONLY) as descriptor:
        try:
            return RestoreNote(**json.loads(_content(descriptor)))
        except (ValueError, TypeError):  # the restore was killed while it wrote it
            return RestoreNote("BACKUP.tar")


def require_none(runtime: Runtime) -> None:
    """Refuses a platform that holds a part of a backup.

    Raises:
        CommandError: it does.
    """
    if note := read(runtime):
        raise CommandError(note.describe(runtime.settings.platform), note.fix)


def explain(runtime: Runtime) -> str:
    """Returns a line about a restore that is running or did not end, and what to do; empty if there is none."""
    try:
        note = read(runtime)
    except CommandError as error:
        return str(error)
    return f"{note.describe(runtime.settings.platform)}; {note.fix}" if note else ""


def remove(runtime: Runtime) -> None:
    """Deletes the note."""
    note_file(runtime).unlink(missing_ok=True)


@contextmanager
def under_way(runtime: Runtime, note: RestoreNote) -> Iterator[WritableNote]:
    """Writes the note, and holds its lock until the block ends; only `remove` deletes it.

    Raises:
        CommandError: another restore of this platform is running.
    """
    note_file(runtime).parent.mkdir(parents=True, exist_ok=True)
    with _locked(runtime, os.O_RDWR | os.O_CREAT) as descriptor:
        writable = WritableNote(descriptor, note)
        writable.save()
        yield writable


@dataclass
class WritableNote:
    """A note that this process may change."""

    descriptor: int
    note: RestoreNote

    def save(self) -> None:
        """Writes the note to the disk, in place, because the lock is on the file."""
        content = json.dumps(asdict(self.note)).encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, content, 0)
        os.fsync(self.descriptor)


@contextmanager
def _locked(runtime: Runtime, flags: int) -> Iterator[int]:
    descriptor = os.open(note_file(runtime), flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError(
                f"a restore of platform {runtime.settings.platform} is running", "wait for its end"
            ) from error
        except OSError:  # a file system without locks
            pass
        yield descriptor
    finally:
        os.close(descriptor)


def _content(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")
