"""What a first command makes in the checkout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli.programs import ROOT
from cli.runtimes import folders
from cli.settings import env_file
from cli.settings.settings import Settings


def prepare(root: Path, **typed: str) -> None:
    shutil.copy(ROOT / ".env.example", root)
    folders.prepare(Settings.read(typed, root), root)


def test_the_first_command_writes_env_and_says_so_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(tmp_path)
    passwords = env_file.parse(tmp_path / ".env")["WAREHOUSE_DB_PASSWORD"]
    prepare(tmp_path)
    assert capsys.readouterr().out == "wrote .env with new passwords (stored nowhere else)\n"
    assert env_file.parse(tmp_path / ".env")["WAREHOUSE_DB_PASSWORD"] == passwords
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_a_setting_typed_for_the_first_command_stays(tmp_path: Path) -> None:
    prepare(tmp_path, ORION_PORT="4300")
    prepare(tmp_path, ORION_PORT="4400")
    assert env_file.parse(tmp_path / ".env")["ORION_PORT"] == "4300"


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert all((tmp_path / folder).is_dir() for folder in folders.FOLDERS)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
