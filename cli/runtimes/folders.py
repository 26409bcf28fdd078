"""Creates .env and the user's folders in the checkout, and lets containers read what they mount of it."""

from __future__ import annotations

import os
import pwd
import stat
import sys
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.programs import ROOT
from cli.runtimes import checkout
from cli.settings import env_file
from cli.settings.settings import Settings
from orionbox.errors import BadInputError, CommandError
from orionbox.files import delete_leftovers

FOLDERS = ("data", "workspace", "reports", "secrets")
ARCHIVES = ("backups", "bundles")
"""The folders in which a command that was killed leaves a file as large as all data."""
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
MOUNTED = ("data", "docs", "reports", "samples", "services/flows/flows", *PAGES)
"""The folders and files that containers read, some of them as another user than the checkout's owner."""
ACCOUNT = "orionbox"
"""The system account that a platform without Docker works as if the checkout is root's."""
LESSON, LESSON_FILES = "week2", "services/flows/week2"
"""The folder in workspace/ with the files of docs/week2.md, and where they come from."""
UNUSABLE_KINDS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of characters that no path of a checkout can have: lists of folders end a line with them."""


def prepare(settings: Settings, root: Path = ROOT) -> None:
    """Writes .env and creates the user's folders if they are missing."""
    write_settings(settings, root)
    for folder in FOLDERS:
        (root / folder).mkdir(exist_ok=True)
    for folder in ARCHIVES:
        delete_leftovers(root / folder)
    fill_lesson(root / "workspace" / LESSON, root)
    with suppress(PermissionError):  # a file system without owners and modes, such as exFAT
        secrets = root / "secrets"
        if stat.S_IMODE(secrets.stat().st_mode) != 0o700:  # a disk that is read-only by now refuses any change
            secrets.chmod(0o700)
        if os.geteuid() == 0:
            hand_over(root / "workspace", settings.owner, {0, *left_by(checkout.EMBEDDED, settings, root)})


def left_by(runtime: str, settings: Settings, root: Path) -> set[int]:
    """Returns whose files flows of that runtime have left in root's checkout; empty while it has such a platform."""
    if runtime in {record.runtime for record in checkout.records(root)}:
        return set()
    if runtime == checkout.COMPOSE:
        return {settings.owner[0]}
    try:
        return {pwd.getpwnam(ACCOUNT).pw_uid}
    except KeyError:
        return set()


def write_settings(settings: Settings, root: Path = ROOT) -> None:
    """Writes .env, if it is missing or incomplete."""
    is_first, file = not (root / ".env").exists(), root / ".env"
    written = env_file.save(settings.values, file, settings.typed, env_file.parse(root / ".env.example"))
    passwords = sorted(name for name in written - settings.typed if name.endswith("_PASSWORD"))
    if is_first:
        print("wrote .env with new passwords (stored nowhere else)", file=sys.stderr, flush=True)
    elif passwords:
        named = ", ".join(passwords)
        print(f"wrote new passwords into .env (stored nowhere else): {named}", file=sys.stderr, flush=True)


def fill_lesson(folder: Path, root: Path = ROOT) -> None:
    """Copies the files of the lesson into its folder, if that is empty or missing; so nothing is ever overwritten.

    A run may write there meanwhile: nothing is reached through a link.
    """
    if folder.is_symlink():
        return
    with suppress(FileExistsError):  # a file of the user's own has this name
        folder.mkdir(exist_ok=True)
        with _without_links(folder, os.O_RDONLY | os.O_DIRECTORY) as inside:
            if os.listdir(inside):
                return
            for file in sorted((root / LESSON_FILES).glob("*")):
                with _without_links(file.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, inside) as descriptor:
                    os.write(descriptor, file.read_bytes())


@contextmanager
def _without_links(path: Path | str, flags: int, parent: int | None = None) -> Iterator[int]:
    """Opens a file or a folder that is no link."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o644, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def hand_over(folder: Path, owner: tuple[int, int], others: Collection[int] = (0,), levels: int = 1_000) -> None:
    """Gives files in a folder to the user and group that flows run as, each folder after what is in it.

    That user may be writing there meanwhile, and this is root: so nothing is reached through a link, and each file is
    looked at when it is open. One with two names is somebody else's, too: uv links packages from its cache.

    Args:
        folder: it may be a link itself, which only root can change.
        owner: the user and the group, as numbers.
        others: whose files to give away, such as a clone that root made; empty for everybody's.
        levels: how deep to look into folders that are the user's already.
    """

    def is_others(status: os.stat_result) -> bool:
        return status.st_uid != owner[0] and (not others or status.st_uid in others)

    def give(name: str, parent: int | None, levels: int) -> None:
        with suppress(OSError):  # deleted meanwhile, a link by now, or on a file system without owners
            seen = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(seen.st_mode) or (stat.S_ISREG(seen.st_mode) and is_others(seen)):
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
                try:
                    give_open(descriptor, levels)
                finally:
                    os.close(descriptor)

    def give_open(descriptor: int, levels: int) -> None:
        status = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder and (levels or is_others(status)):
            for name in os.listdir(descriptor):
                give(name, descriptor, max(levels - 1, 0))
        if is_others(status) and (is_folder or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)):
            os.fchown(descriptor, *owner)

    give(os.path.realpath(folder), None, levels)


def require_usable_path(characters: str, root: Path = ROOT) -> None:
    """Refuses a checkout whose path has one of these characters, a control character, or bytes that are no text.

    Raises:
        BadInputError: the path has one.
    """
    for character in str(root):
        if character in characters or unicodedata.category(character) in UNUSABLE_KINDS:
            shown = str(root) if character in characters else ascii(str(root))
            raise BadInputError(
                f"the path of a checkout cannot have {ascii(character)} in it: {shown}",
                "move the checkout to a folder with another name",
            )


def make_readable(root: Path = ROOT) -> None:
    """Lets every user read what containers mount, as `chmod -R a+rX` does; the umask of whoever wrote it may forbid it.

    Raises:
        CommandError: a file belongs to another user, or its file system has no modes.
    """
    for name in MOUNTED:
        for path in _closed(root / name):
            with suppress(OSError):  # what is still closed is reported below
                path.chmod(_opened(path.stat().st_mode))
        if left := next(_closed(root / name), None):
            raise CommandError(
                f"the platform's containers cannot read {left.relative_to(root)}", f"run: sudo chmod -R a+rX {name}"
            )


def _closed(folder: Path) -> Iterator[Path]:
    """Yields the files and folders that some user cannot read, a folder before what is in it."""
    yield from filter(_is_closed, [folder])
    for parent, folders, files in os.walk(folder):
        yield from filter(_is_closed, (Path(parent, name) for name in (*folders, *files)))


def _is_closed(path: Path) -> bool:
    with suppress(OSError):  # deleted meanwhile
        mode = path.lstat().st_mode
        return (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and _opened(mode) != stat.S_IMODE(mode)
    return False


def _opened(mode: int) -> int:
    """Returns the permissions with which every user can read, and enter or execute what its owner can."""
    return stat.S_IMODE(mode) | (0o555 if stat.S_ISDIR(mode) or mode & 0o111 else 0o444)
