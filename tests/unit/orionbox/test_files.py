"""Files of the host's commands that nobody else gets to read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.backup import block_key
from cli.runtimes.compose import key_files
from cli.settings import env_file
from orionbox.files import write_private


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_private_file_is_its_owner_s_alone_and_replaces_what_was_there(tmp_path: Path) -> None:
    old_umask = os.umask(0)
    try:
        (tmp_path / "file").write_text("old, and open to all")
        write_private(tmp_path / "file", "new")
    finally:
        os.umask(old_umask)
    assert (tmp_path / "file").read_text() == "new"
    assert mode(tmp_path / "file") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_a_file_was_stays_when_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    write_private(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(tmp_path / "file", "\udc80")
    assert (tmp_path / "file").read_text() == "old"


def test_settings_the_blocks_key_and_the_authority_s_are_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (block_key, key_files):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    (tmp_path / "example").write_text("GATEWAY_PASSWORD=\n")
    env_file.ensure(tmp_path / ".env", tmp_path / "example")
    for name in ("authority.key", "internet.key"):
        key_files._write(name, "a key")
    assert mode(tmp_path / ".env") == mode(block_key.keep("a key")) == mode(tmp_path / "authority.key") == 0o600
    assert mode(tmp_path / "internet.key") == 0o644, "a container of another user reads it; the folder is closed"
