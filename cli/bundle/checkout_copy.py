"""Copies of the checkout, for tests and benchmarks: each with its own name, ports and data."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

from cli.programs import ROOT, output


def copy_of_the_tree(target: Path) -> Path:
    """All files that git knows or would add, and this machine's certificates."""
    certificates = [str(path.relative_to(ROOT)) for path in ROOT.glob("infra/certs/*.crt")]
    for name in filter(lambda name: (ROOT / name).is_file(), sources() + certificates):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return target


def has_history() -> bool:
    """Whether the checkout is a git repository of its own, and there is git."""
    return bool(shutil.which("git")) and (ROOT / ".git").exists()


def sources() -> list[str]:
    """The checkout's own files, without what the platform and its user make; from its top on."""
    if has_history():
        return output("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line[:1] not in ("", "#")]
    found = (path.relative_to(ROOT) for path in sorted(ROOT.rglob("*")) if path.is_file())
    return [path.as_posix() for path in found if not _is_ignored(path, ignored)]


def _is_ignored(path: Path, patterns: list[str]) -> bool:
    """As git sees it, for what .gitignore holds: names, and paths from the top."""
    starts = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
    return any(fnmatch(name, pattern) for pattern in patterns for name in (*path.parts, *starts))
