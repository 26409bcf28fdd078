"""Checks of this folder: whether its files are right, ours, and on a disk on which the platform can work."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cli.doctor.machine import Finding, Machine, fail, ok, warn
from cli.environments import inherited
from cli.runtimes import folders
from cli.runtimes.compose import runtime as compose
from cli.runtimes.embedded import runtime as embedded
from orionbox.errors import BadInputError
from orionbox.files import temporary_folder

WRITTEN = ("data", "workspace", "reports", "backups", "bundles", "secrets", "infra/certs", ".ports", ".embedded")
"""Folders that commands write to, if they are there."""
MOST_FILES, MOST_SECONDS = 50_000, 2
"""How much of a large checkout is looked at."""
NETWORK = ("nfs", "cifs", "smb", "fuse.sshfs", "fuse.rclone", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "vboxsf")
"""Beginnings of the names of file systems on another machine."""


def check_checkout(machine: Machine, runtime: str, quick: bool = False) -> Iterator[Finding]:
    """Checks whether the checkout can be used.

    Args:
        machine: the machine to check.
        runtime: the runtime in use; empty if that is not known yet.
        quick: look only at the files that every command needs.
    """
    findings = [
        *_check_path(machine, runtime),
        *_check_writing(machine),
        *_check_owner(machine, quick),
        *([] if quick else _check_file_system(machine, runtime)),
    ]
    if runtime == "embedded" and not findings:
        findings += _check_abilities(machine)
    yield from findings or [ok("checkout", f"complete, and yours to write: {machine.root}")]


def _check_path(machine: Machine, runtime: str) -> Iterator[Finding]:
    """Passes on what a runtime refuses; the commands say it themselves before a start."""
    characters = {"compose": compose.UNUSABLE_IN_PATH, "embedded": embedded.UNUSABLE_IN_PATH}
    try:
        folders.require_usable_path(characters.get(runtime, ""), machine.root)
    except BadInputError as error:
        yield fail("checkout", error.text, error.fix)


def _check_writing(machine: Machine) -> Iterator[Finding]:
    if reason := machine.cannot_write(machine.root):
        yield fail("checkout", f"nothing can be written in {machine.root} ({reason})", _fix_writing(machine, reason))


def _fix_writing(machine: Machine, reason: str) -> str:
    if reason == os.strerror(errno.EACCES):
        return f"sudo chown -R \"$USER\" '{machine.root}'; or use a clone of your own"
    if reason in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)):
        return "delete something: df -h . shows the disk, quota your share of it"
    return "copy this folder to a disk that can be written, and work there"


def _check_owner(machine: Machine, quick: bool) -> Iterator[Finding]:
    """Looks for files that this user cannot use, as after `sudo make up`."""
    if machine.user == 0:
        owner = owner_of(machine.root)
        if owner and "SUDO_USER" in machine.variables:
            text = (
                f"you are root by sudo, and this checkout is {_name(owner)}'s: files that you make here will be root's"
            )
            yield warn("checkout", text, "run make without sudo (only make engine needs it)")
        return
    closed = list(_unusable(machine, quick))
    if closed:
        first = closed[0]
        others = f" and {len(closed) - 1} more" if len(closed) > 1 else ""
        uid = owner_of(first)
        text = f"you cannot use {first.relative_to(machine.root)}{others}, of {_name(uid)}"
        mine = uid == machine.user
        fix = "chmod -R u+rwX ." if mine else 'sudo chown -R "$USER" .'
        yield fail("checkout", text, fix)


def _unusable(machine: Machine, quick: bool) -> Iterator[Path]:
    """Yields files that cannot be read, and folders that commands write to and cannot; .env has a check of its own."""
    written = {machine.root / name for name in WRITTEN}
    for path in _paths_of_commands(machine.root) if quick else _all_paths(machine.root):
        is_written = path.is_dir() and not written.isdisjoint([path, *path.parents])
        if path.name != ".env" and not path.is_symlink() and not machine.can_use(path, is_written):
            yield path


def _paths_of_commands(root: Path) -> Iterator[Path]:
    """Yields what is at the top of the checkout, and of the folders that commands write to."""
    for folder in (root, *(root / name for name in WRITTEN)):
        if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
            yield from folder.iterdir()


def _all_paths(root: Path) -> Iterator[Path]:
    """Yields everything except what is git's, the user's, or a database's."""
    deadline, count = time.monotonic() + MOST_SECONDS, 0
    for name, inside, files in os.walk(root):
        yield from (Path(name, each) for each in inside + files)
        inside[:] = [each for each in inside if each not in (".git", ".venv", ".embedded", "workspace")]
        count += len(files)
        if count > MOST_FILES or time.monotonic() > deadline:
            return


def owner_of(path: Path) -> int:
    """Returns the id of the user whose file it is."""
    return path.lstat().st_uid


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _check_file_system(machine: Machine, runtime: str) -> Iterator[Finding]:
    kind = machine.file_system(machine.root)
    if kind.startswith(NETWORK):
        if runtime == "embedded":
            text = f"this folder is on {kind}, a network file system: databases are slow there, and may lock up"
        else:
            text = (
                f"this folder is on {kind}, a network file system: the container engine may not be allowed to read it"
            )
        yield warn("checkout", text, "clone to a local disk, such as /tmp or /var/tmp; or ask for a local folder")


def _check_abilities(machine: Machine) -> Iterator[Finding]:
    """Tries what virtual environments and databases need of a file system."""
    with temporary_folder(machine.root) as folder:
        for what, attempt in ABILITIES.items():
            if reason := _try(attempt, folder):
                fix = "copy this folder to another disk, such as that of your home folder, and work there"
                yield fail("checkout", f"{what} in {machine.root} ({reason})", fix)


def _run_program(folder: Path) -> None:
    program = folder / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o700)
    subprocess.run([str(program)], env=inherited.for_tools(), check=True, timeout=5)


def _make_link(folder: Path) -> None:
    (folder / "link").symlink_to("program")


def _lock_file(folder: Path) -> None:
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _keep_mode(folder: Path) -> None:
    private = folder / "private"
    private.mkdir()
    private.chmod(0o700)
    if private.stat().st_mode & 0o077:
        raise OSError(errno.EPERM, "its permissions are fixed")


ABILITIES: dict[str, Callable[[Path], None]] = {
    "no program can be run": _run_program,
    "no symbolic link can be made": _make_link,
    "no file can be locked": _lock_file,
    "no folder can be made private": _keep_mode,
}


def _try(attempt: Callable[[Path], None], folder: Path) -> str:
    """Returns why an attempt failed; empty if it succeeded."""
    try:
        attempt(folder)
    except OSError as error:
        return error.strerror or str(error)
    except subprocess.SubprocessError as error:
        return str(error)
    return ""
