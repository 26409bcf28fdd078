"""Atomic file writes, and temporary folders that delete themselves.

The content goes into a temporary file beside the target, `.NAME.XXXXXXXX.part`, which takes the target's name when it
is complete and on the disk. Its writer holds a lock on it: a `.part` without a lock was left by a program that was
killed, and the next program that writes into that folder deletes it, or the next command of the checkout.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any

from orionbox import file_errors
from orionbox.errors import BadInputError, CommandError, OrionboxError

LEFTOVERS = ".*.????????.part"
"""Names of temporary files and folders, as a pattern."""


@contextmanager
def new_file(path: Path, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """Opens a new file, which replaces `path` when the block ends, and is deleted if the block fails.

    Args:
        path: the file; its folder must exist.
        mode: its permissions; the umask is ignored.

    Raises:
        OSError: the file cannot be created or written; the disk may be full.
    """
    with unused_file([path], mode, replaces=True) as (_, file):
        yield file


@contextmanager
def unused_file(names: Iterable[Path], mode: int = 0o600, replaces: bool = False) -> Iterator[tuple[Path, IO[bytes]]]:
    """Opens a new file under the first name that is free; the file has that name when the block ends.

    Args:
        names: the paths to choose from; all are in one folder, which must exist.
        mode: its permissions; the umask is ignored.
        replaces: whether a name is free although a file has it, or another program writes one.

    Raises:
        BadInputError: no name is free.
        OSError: the file cannot be created or written; the disk may be full.
    """
    first, names = _peek(names)
    with _errors_name(first), _lock_folder(first.parent):
        _delete_leftovers(first.parent)
        path = next((name for name in names if replaces or _is_free(name)), None)
        if not path:
            raise BadInputError(f"{first} exists, or another program is writing it", "choose another name")
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        _lock(descriptor)
    with _errors_name(path), os.fdopen(descriptor, "w+b") as file:
        try:
            with suppress(PermissionError):  # a file system without modes, such as FAT: a new file is always ours
                os.fchmod(descriptor, mode)
            yield path, file
            file.flush()
            os.fsync(descriptor)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    with (
        _lock_folder(path.parent) as folder,
        suppress(OSError),
    ):  # some file systems cannot sync a folder
        os.fsync(folder)


def _peek(names: Iterable[Path]) -> tuple[Path, Iterator[Path]]:
    """Returns the first name, and all of them."""
    rest = iter(names)
    first = next(rest)
    return first, chain([first], rest)


def _is_free(path: Path) -> bool:
    """Returns whether no file has this name, and no program that still runs is writing one; the folder is locked."""
    return not path.exists() and not any(path.parent.glob(f".{glob.escape(path.name)}.????????.part"))


def delete_folder(folder: Path) -> None:
    """Deletes a folder with all that is in it; a missing one is no error, and neither is a file that goes meanwhile.

    Raises:
        OSError: something in it cannot be deleted, such as another user's.
    """

    def stop(function: object, path: object, error: Any) -> None:
        if not isinstance(error[1], FileNotFoundError):
            raise error[1]

    shutil.rmtree(folder, onerror=stop)


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Makes errors name the file, and not the temporary one beside it or, as on a full disk, none."""
    try:
        yield
    except OSError as error:
        if error.errno and (error.filename is None or str(error.filename).endswith(".part")):
            error.filename, error.filename2 = str(path), None
        raise


def read_json(path: Path, fix: str) -> dict[str, Any]:
    """Returns the object in a JSON file; empty if there is no file.

    Args:
        path: the file.
        fix: what the user can do about a file that is damaged.

    Raises:
        BadInputError: the file holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:  # not JSON, or not text
        raise BadInputError(f"{path}: not valid JSON ({error})", fix) from error
    if not isinstance(content, dict):
        raise BadInputError(f"{path}: not a JSON object", fix)
    return content


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Lets one program at a time run the block; the file or folder `path` exists, and only carries the lock."""
    with _lock_folder(path):
        yield


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Writes a text file atomically."""
    with new_file(path, mode) as file:
        file.write(text.encode("utf-8"))


def write_private(path: Path, text: str) -> None:
    """Writes a text file that only its owner can read."""
    write(path, text, 0o600)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Creates a folder in `parent` that only its owner can read; deletes it when the block ends."""
    with _lock_folder(parent):
        _delete_leftovers(parent)
        folder = Path(tempfile.mkdtemp(prefix=".folder.", suffix=".part", dir=parent))
        descriptor = os.open(folder, os.O_RDONLY)
        _lock(descriptor)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(descriptor)


@contextmanager
def report_file_errors(what: str) -> Iterator[None]:
    """Turns an error of the file system into one that a user can read.

    Args:
        what: what could not be done; the text begins with it.

    Raises:
        CommandError: the file system refused something; the disk may be full.
    """
    try:
        yield
    except (OrionboxError, BrokenPipeError):  # readable already, or the reader has closed the pipe
        raise
    except OSError as error:
        known = file_errors.explain(error)
        text, fix = (known.text, known.fix) if known else (str(error), "")
        raise CommandError(f"{what}: {text}", fix or "see whether the disk is full: df -h") from error


def delete_leftovers(folder: Path) -> None:
    """Deletes what programs that were killed have left in a folder; a missing folder, or a closed one, is no error."""
    with suppress(OSError), _lock_folder(folder):
        _delete_leftovers(folder)


def _delete_leftovers(folder: Path) -> None:
    """Deletes temporary files without a lock; the folder is locked, so that no new one lacks its lock yet."""
    for leftover in folder.glob(LEFTOVERS):
        with suppress(OSError), _open(leftover) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


@contextmanager
def _lock_folder(folder: Path) -> Iterator[int]:
    """Locks a folder, for example so that a new file is not deleted as a leftover before it is locked."""
    with _open(folder) as descriptor:
        _lock(descriptor)
        yield descriptor


@contextmanager
def _open(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Waits for the lock. On a file system without locks nothing is deleted, so none is needed."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
