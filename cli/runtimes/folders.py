"""Creates .env and the user's folders in the checkout."""

from __future__ import annotations

import os
from pathlib import Path

from cli.programs import ROOT, say
from cli.settings import env_file
from cli.settings.settings import Settings

FOLDERS = ("data", "workspace", "reports", "secrets")


def prepare(settings: Settings, root: Path = ROOT) -> None:
    """Writes .env and creates the user's folders if they are missing."""
    is_first, file = not (root / ".env").exists(), root / ".env"
    if env_file.save(settings.values, file, settings.typed) and is_first:
        say("wrote .env with new passwords (stored nowhere else)")
    for folder in FOLDERS:
        (root / folder).mkdir(exist_ok=True)
    (root / "secrets").chmod(0o700)
    if os.geteuid() == 0:
        _hand_over(root / "workspace", *settings.owner)


def _hand_over(folder: Path, uid: int, gid: int) -> None:
    """Gives files that root created there, such as a clone, to the user that flows run as."""
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_uid == 0:
            os.chown(path, uid, gid, follow_symlinks=False)
