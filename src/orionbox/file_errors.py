"""Errors of the file system in the user's words: what could not be used, why, and what to do next."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from pathlib import Path

from orionbox.errors import CommandError

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM)
REASONS = {
    errno.EROFS: ("{} is on a read-only file system", "use a folder that you can write to"),
    errno.ENAMETOOLONG: ("{}: its name is too long for this file system", "use a shorter name, or a shorter path"),
    errno.EFBIG: (
        "{} is too large for this file system",
        "use another disk; FAT takes 4 GB at most, exFAT and ext4 more",
    ),
    errno.EISDIR: ("{} is a folder, and a file is needed", "move it away"),
    errno.ENOTDIR: ("{}: a part of this path is a file, and a folder is needed", "move that file away"),
    errno.EEXIST: ("{} exists already, and something else is needed", "move it away"),
    errno.ENOENT: ("{}: there is no such file or folder", ""),
    errno.ELOOP: ("{} is a link that leads to itself", "delete it"),
    errno.EIO: ("{}: the disk reports an error", "copy what you need to another disk"),
    errno.ESTALE: ("{}: the network drive has lost it", "run the command again"),
    errno.ENOEXEC: ("{} is not a program for this machine", "install it for this kind of processor"),
    errno.ETXTBSY: ("{} is being written by another program", "run the command again"),
    errno.E2BIG: ("{} gets too many arguments or environment variables", "unset the long environment variables: env"),
}
"""What is said of a path, and the fix, by error number."""
MACHINE = {
    errno.EMFILE: ("too many open files", "allow more, then run the command again: ulimit -n 4096"),
    errno.ENFILE: ("this machine has too many open files", "close other programs"),
    errno.EAGAIN: ("this machine cannot start another process now", "close other programs, or see ulimit -u"),
    errno.ENOMEM: ("memory has run out", "close other programs"),
}
"""Errors that say nothing about one path."""


def explain(error: OSError, checkout: Path | None = None, action: str = "use") -> CommandError | None:
    """Returns the error in words, with its fix; None if it is not one of the file system.

    Args:
        error: what the file system, or the start of a program, has refused.
        checkout: the folder whose files belong to the user; the fix may change their owner.
        action: the verb for what was not permitted, such as `read`.
    """
    if error.errno in MACHINE:
        return CommandError(*MACHINE[error.errno])
    name = _name(error)
    if error.errno in FULL:
        where = f" of {name}" if name else ""
        return CommandError(f"no space left on the disk{where}", "delete something; df -h shows what is free")
    if error.errno in REFUSED:
        if name:
            return _refused(Path(name), checkout, action)
        return CommandError("this user may not do that", "if the platform was started with sudo, use sudo again")
    if error.errno in REASONS:
        text, fix = REASONS[error.errno]
        return CommandError(text.format(name or "a file"), fix)
    return CommandError(f"{name}: {error.strerror}" if name else error.strerror) if error.strerror else None


def _name(error: OSError) -> str:
    """Returns the path that the error is about, from the current folder if it is in it."""
    name = error.filename2 or error.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if not isinstance(name, (str, Path)):
        return ""
    folder, path = f"{os.path.abspath(os.curdir)}/", str(name)
    return path[len(folder) :] if path.startswith(folder) else path


def _refused(path: Path, checkout: Path | None, action: str) -> CommandError:
    found, status = _existing(path)
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IXUSR and is_noexec(found):
        return CommandError(
            f"cannot run {path}: its file system does not allow programs (noexec)",
            "move the checkout to a folder that does, such as your home",
        )
    text = f"cannot {action} {path}"
    if status.st_uid == os.geteuid():
        return CommandError(f"{text}: permission denied", f"see its permissions: ls -ld {shlex.quote(str(found))}")
    owner = _user(status.st_uid)
    text += f": it belongs to {owner}" if found == path else f": {found} belongs to {owner}"
    if checkout and checkout in (found.absolute(), *found.absolute().parents):
        if status.st_uid and _is_all_of_user(checkout, status.st_uid):
            return CommandError(text, f"use a checkout of your own; this one, {checkout}, is that user's")
        return CommandError(text, f"sudo chown -R $USER {_shown(checkout)}")
    return CommandError(text, f"ask {owner} for the permission")


def _is_all_of_user(checkout: Path, user: int) -> bool:
    """Returns whether the checkout itself is that user's, and not only some files in it, as after `sudo make up`."""
    return _existing(checkout)[1].st_uid == user


def _existing(path: Path) -> tuple[Path, os.stat_result]:
    """Returns the path, or the first folder above it of which the owner is known."""
    for candidate in (path, *path.parents):
        try:
            return candidate, candidate.stat()
        except OSError:
            continue
    return Path(os.sep), os.stat(os.sep)


def is_noexec(path: Path) -> bool:
    """Returns whether the file system of an existing path runs no programs; macOS does not say."""
    return bool(os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0))


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _shown(folder: Path) -> str:
    return "." if folder == Path.cwd() else shlex.quote(str(folder))
