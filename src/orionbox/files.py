"""Files that appear whole or not at all.

The content goes into a temporary file beside the target, `.NAME.XXXXXXXX.part`, which takes the target's name when it
is complete and on the disk. Its writer holds a lock on it, so a `.part` file without a lock was left by a process that
was killed, and the next writer in that folder deletes it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

LEFTOVERS = ".*.????????.part"
"""The temporary files of a folder, as a pattern for `Path.glob`."""


@contextmanager
def new_file(path: Path, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """Opens a new file, which takes the place of `path` when the block ends, and vanishes when the block fails.

    Args:
        path: the file; its folder must exist.
        mode: its permissions, whatever the umask is.

    Raises:
        OSError: the folder does not take the file; the disk may be full.
    """
    delete_leftovers(path.parent)
    temporary, file = _temporary_file(path)
    with file:
        try:
            os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a text file whole or not at all."""
    with new_file(path, mode) as file:
        file.write(text.encode("utf-8"))


def write_private(path: Path, text: str) -> None:
    """Writes a text file that nobody but its owner ever gets to read."""
    write(path, text, 0o600)


def delete_leftovers(folder: Path) -> None:
    """Deletes the temporary files of writers that are no longer running."""
    for leftover in folder.glob(LEFTOVERS):
        with suppress(OSError), leftover.open("rb") as file:  # it is being written, or has just been renamed
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()


def _temporary_file(path: Path) -> tuple[Path, IO[bytes]]:
    """Makes the temporary file, which its owner alone can read, and locks it."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        file = os.fdopen(descriptor, "w+b")
        with suppress(OSError):  # a file system without locks: nobody can lock the file to delete it, either
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return Path(name), file
        file.close()  # another writer took it for a leftover before it was locked


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems refuse it for folders, and the file is there
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
