"""Which backups a restore takes, before it touches anything."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any, cast

import pytest

from cli.archive.archive import Archive
from cli.backup import block_key, check_backup, restore
from cli.runtimes.runtime import Stores
from cli.settings import env_file
from cli.settings.env_file import version
from orionbox.errors import BadInputError, CommandError
from tests.conftest import ROOT

KEY = "x" * 43 + "="


def backup(**facts: Any) -> Archive:
    manifest = {"orionbox": version(), "runtime": "compose", "key": block_key.name_of(KEY), "members": {}, **facts}
    return Archive(Path("mine.tar"), cast(tarfile.TarFile, None), manifest)


@pytest.mark.parametrize("older", [version(), "0.0.9"])
def test_a_backup_of_this_or_an_older_version_fits(older: str) -> None:
    check_backup._require_fit(backup(orionbox=older), "compose")


@pytest.mark.parametrize("newer", ["0.10.0", "1.0", "0.1.0.1"])
def test_a_backup_of_a_newer_version_is_refused(newer: str) -> None:
    with pytest.raises(BadInputError, match=f"made by Orionbox {newer}.*nothing was changed"):
        check_backup._require_fit(backup(orionbox=newer), "compose")


def test_a_backup_of_the_other_runtime_is_refused_with_the_command_that_works() -> None:
    with pytest.raises(BadInputError, match="make restore RUNTIME=compose"):
        check_backup._require_fit(backup(), "embedded")


def test_the_key_that_stayed_in_secrets_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_key, "FOLDER", tmp_path)
    file = block_key.keep(KEY)
    assert file.stat().st_mode & 0o777 == 0o600
    assert check_backup._key(backup()) == KEY


def test_without_the_key_it_says_where_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_key, "FOLDER", ROOT / "secrets" / "empty")
    with pytest.raises(BadInputError, match=r"orion-[0-9a-f]{12}\.key, which opens the blocks in it, is not here"):
        check_backup._key(backup())
    monkeypatch.setenv("SECRETS", "no")
    assert check_backup._key(backup()) == ""


def test_without_a_name_the_newest_backup_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FILE", raising=False)
    monkeypatch.setattr(restore, "ROOT", tmp_path)
    (tmp_path / "backups").mkdir()
    for day in ("19", "20"):
        (tmp_path / "backups" / f"orionbox-2026-11-{day}.tar").touch()
    with pytest.raises(BadInputError, match=r"FILE=backups/orionbox-2026-11-20\.tar"):
        check_backup._file()


def test_a_platform_that_holds_something_is_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        def ensure_up(self) -> None: ...

        def has_data(self) -> bool:
            return True

    monkeypatch.setattr(restore, "_held", lambda stores: [("runs in Orion", 0), ("rows in Postgres", 1200)])
    monkeypatch.setattr(env_file, "load", lambda: {"COMPOSE_PROJECT_NAME": "mine"})
    with pytest.raises(BadInputError, match=r"platform mine is not empty \(1,200 rows in Postgres\).*make reset"):
        check_backup._require_empty(cast(Any, Busy()), cast(Stores, Busy()))


class Disk:
    """A platform's stores, on a disk with 3 GB free."""

    def free_space(self) -> int:
        return 3_000_000_000


@pytest.mark.parametrize("noted", [{"bytes": 3_000_000_001}, {"members": {"bucket.tar.gz": {"bytes": 3_000_000_001}}}])
def test_a_backup_that_would_not_fit_is_refused_with_both_sizes(noted: dict[str, Any]) -> None:
    with pytest.raises(CommandError) as error:
        check_backup._require_space(backup(**noted), cast(Stores, Disk()))
    assert str(error.value) == (
        "mine.tar needs 3.00 GB where the platform keeps its data, and 3.00 GB are free: make room there; "
        "nothing was changed"
    )


@pytest.mark.parametrize("noted", [{"bytes": 3_000_000_000}, {"members": {"bucket.tar.gz": {"bytes": 3_000_000_000}}}])
def test_a_backup_that_just_fits_is_taken(noted: dict[str, Any]) -> None:
    check_backup._require_space(backup(**noted), cast(Stores, Disk()))
