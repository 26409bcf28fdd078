"""Copies of the checkout: for a bundle, and for tests and benchmarks."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from cli.programs import ROOT, output, say

CERTIFICATES = ("infra/certs/*.crt", "services/base/certificates/*.crt")
"""The user's certificates, and those in the images; git ignores both."""


def copy_checkout(target: Path) -> Path:
    """Copies the checkout's own files and this machine's certificates; returns the copy.

    It leaves links out, wherever they lead: the checkout has none of its own, and one that a flow has left in a folder
    that it may write to would bring `.env` or a file of another program into the copy.
    """
    certificates = [str(path.relative_to(ROOT)) for pattern in CERTIFICATES for path in ROOT.glob(pattern)]
    for name in list_sources() + certificates:
        if _is_link(name):
            say(f"left out {ascii(name)}: a link")
        elif (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def _is_link(name: str) -> bool:
    """Returns whether a path from the checkout's top is a link, or leads through one."""
    path = PurePosixPath(name)
    return any((ROOT / part).is_symlink() for part in (path, *list(path.parents)[:-1]))


def has_history() -> bool:
    """Returns whether the checkout is itself a git repository, and git is installed."""
    return bool(shutil.which("git")) and (ROOT / ".git").exists()


def list_sources() -> list[str]:
    """Returns the checkout's own files, without what the platform and its user create, as paths from its top."""
    if has_history():
        return output("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")[:-1]
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line[:1] not in ("", "#")]
    found = (path.relative_to(ROOT) for path in sorted(ROOT.rglob("*")) if path.is_file())
    return [path.as_posix() for path in found if not _is_ignored(path, ignored)]


def _is_ignored(path: Path, patterns: list[str]) -> bool:
    """Reads .gitignore's patterns as git does, for the forms that ours has: names, and paths from the top."""
    starts = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
    return any(fnmatch(name, pattern) for pattern in patterns for name in (*path.parts, *starts))
