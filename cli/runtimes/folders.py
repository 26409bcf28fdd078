"""What every runtime finds in the checkout: .env and the runtime folders."""

from __future__ import annotations

import os
from pathlib import Path

from cli.programs import ROOT, say
from cli.settings import env_file


def prepare() -> None:
    """Makes what is missing."""
    if env_file.ensure():
        say("wrote .env: the passwords in it are new, and only there")
    owner = (int(env_file.load()["FLOWS_UID"]), int(env_file.load()["FLOWS_GID"]))
    for folder in ("data", "workspace", "reports", "secrets"):
        (ROOT / folder).mkdir(exist_ok=True)
    (ROOT / "secrets").chmod(0o700)
    if os.geteuid() == 0:
        _give(ROOT / "workspace", *owner)


def _give(folder: Path, uid: int, gid: int) -> None:
    """Makes what root has put there, a clone for instance, belong to the user that flows run as."""
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_uid == 0:
            os.chown(path, uid, gid, follow_symlinks=False)
