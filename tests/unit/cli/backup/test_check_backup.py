"""The checks before a restore."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any, cast

import pytest

from cli.archive.archive import Archive
from cli.backup import block_key, check_backup
from cli.settings import env_file
from orionbox.errors import BadInputError, CommandError
from tests.unit.cli.backup.fake_runtime import KEY, FakeRuntime, as_runtime

VERSION = env_file.version()


def backup(**facts: Any) -> Archive:
    facts = {"orionbox": VERSION, "runtime": "compose", "cloud": "gcp", "key": block_key.fingerprint(KEY), **facts}
    return Archive(Path("mine.tar"), cast(tarfile.TarFile, None), {"members": {}, **facts})


@pytest.mark.parametrize("older", [VERSION, "0.0.9"])
def test_a_backup_of_this_or_an_older_version_fits(older: str, runtime: FakeRuntime) -> None:
    check_backup.require_compatible(backup(orionbox=older), as_runtime(runtime))


@pytest.mark.parametrize("newer", ["0.10.0", "1.0", f"{VERSION}.1"])
def test_a_backup_of_a_newer_version_is_refused(newer: str, runtime: FakeRuntime) -> None:
    with pytest.raises(BadInputError, match=f"made by Orionbox {newer}.*nothing was changed"):
        check_backup.require_compatible(backup(orionbox=newer), as_runtime(runtime))


def test_a_backup_of_the_other_runtime_is_refused_with_the_command_that_works(runtime: FakeRuntime) -> None:
    with pytest.raises(BadInputError, match=r"make restore RUNTIME=embedded FILE=mine\.tar"):
        check_backup.require_compatible(backup(runtime="embedded"), as_runtime(runtime))


def test_a_backup_of_the_other_cloud_is_refused_with_the_command_that_works(runtime: FakeRuntime) -> None:
    with pytest.raises(BadInputError, match=r"CLOUD=emulators; this is CLOUD=gcp.*make restore CLOUD=emulators"):
        check_backup.require_compatible(backup(cloud="emulators"), as_runtime(runtime))


def test_a_backup_of_0_1_0_that_names_no_cloud_is_of_the_emulators(with_emulators: FakeRuntime) -> None:
    old = backup()
    del old.manifest["cloud"]
    check_backup.require_compatible(old, as_runtime(with_emulators))


def test_the_key_that_stayed_in_secrets_is_found(checkout: Path) -> None:
    block_key.save(KEY)
    assert check_backup.find_key(backup(), without_blocks=False) == KEY


def test_a_missing_key_is_reported_with_its_file(checkout: Path) -> None:
    words = r"secrets/orion-[0-9a-f]{12}\.key, which decrypts its blocks, is missing; nothing was changed"
    with pytest.raises(BadInputError, match=f"{words}.*make restore SECRETS=no FILE=mine.tar"):
        check_backup.find_key(backup(), without_blocks=False)
    assert check_backup.find_key(backup(), without_blocks=True) == ""


def test_without_a_name_the_newest_backup_is_suggested(checkout: Path) -> None:
    with pytest.raises(BadInputError, match=r"no backup named; name one: make restore FILE=backups/NAME\.tar"):
        check_backup.require_file(None)
    for day in ("19", "20"):
        (checkout / "backups" / f"mine-2026-11-{day}.tar").touch()
    with pytest.raises(BadInputError, match=r"FILE=backups/mine-2026-11-20\.tar"):
        check_backup.require_file(None)


def test_a_name_is_one_from_the_top_of_the_checkout(checkout: Path) -> None:
    assert check_backup.require_file(Path("backups/mine.tar")) == checkout / "backups" / "mine.tar"


TOO_LARGE = 3_000_000_001
"""Bytes; the fake platform's disk has one byte less."""


@pytest.mark.parametrize("facts", [{"bytes": TOO_LARGE}, {"members": {"bucket.tar.gz": {"bytes": TOO_LARGE}}}])
def test_a_backup_that_would_not_fit_is_refused_with_both_sizes(facts: dict[str, Any], runtime: FakeRuntime) -> None:
    with pytest.raises(CommandError) as error:
        check_backup.require_space(backup(**facts), runtime.stores)
    assert error.value.text == (
        "mine.tar needs 3.00 GB where the platform keeps its data, and 3.00 GB are free; nothing was changed"
    )


@pytest.mark.parametrize("facts", [{"bytes": TOO_LARGE - 1}, {"members": {"bucket.tar.gz": {"bytes": TOO_LARGE - 1}}}])
def test_a_backup_that_just_fits_is_taken(facts: dict[str, Any], runtime: FakeRuntime) -> None:
    check_backup.require_space(backup(**facts), runtime.stores)
