"""`backup`: what is in the file, where it is written, and what is left when it fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.archive import archive
from cli.archive.archive import MemberWriter
from cli.backup import backup, block_key
from orionbox.errors import BadInputError, CommandError, OrionboxError
from orionbox.files import new_file
from tests.unit.cli.backup.fake_runtime import KEY, FakeRuntime, as_runtime, backup_answer, counts
from tests.unit.fake_api import FakeApi, close_connection


def made(checkout: Path) -> list[Path]:
    return sorted((checkout / "backups").iterdir())


def test_the_file_holds_every_store_with_its_rows_and_size(with_emulators: FakeRuntime, api: FakeApi) -> None:
    with_emulators.ensure_up()
    with_emulators.load(green_tripdata=3)
    api.answers = [counts(trips=3), counts(bucket=1), backup_answer(trips=3), backup_answer(bucket=1)]
    assert backup.write_backup(as_runtime(with_emulators), with_secrets=False, target=None) == 0
    (file,) = made(with_emulators.stores.folder.parent)
    with archive.open_archive(file) as opened:
        manifest = opened.manifest
    assert set(manifest["members"]) == {"orion.dump", "warehouse.dump", "bigquery.tar.gz", "bucket.tar.gz"}
    assert manifest["rows"]["warehouse"] == {"green_tripdata": 3}
    assert (manifest["rows"]["bigquery"], manifest["rows"]["bucket"]) == ({"trips": 3}, {"bucket": 1})
    assert manifest["bytes"] == with_emulators.stores.size_of_orion() + 1000 + 40
    assert (manifest["runtime"], manifest["cloud"], manifest["platform"]) == ("compose", "emulators", "mine")


def test_without_secrets_the_key_stays_in_the_checkout(runtime: FakeRuntime, checkout: Path) -> None:
    backup.write_backup(as_runtime(runtime), with_secrets=False, target=None)
    (file,) = made(checkout)
    assert KEY.encode() not in file.read_bytes()
    assert block_key.load(block_key.fingerprint(KEY)) == KEY


def test_with_secrets_the_key_is_in_the_file_only(runtime: FakeRuntime, checkout: Path) -> None:
    backup.write_backup(as_runtime(runtime), with_secrets=True, target=None)
    (file,) = made(checkout)
    with archive.open_archive(file) as opened:
        assert opened.stream(backup.KEY).read().decode() == KEY
    assert list((checkout / "secrets").glob("orion-*")) == []


def test_it_prints_its_content_and_the_key_that_decrypts_its_blocks(
    runtime: FakeRuntime, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.ensure_up()
    runtime.load(green_tripdata=76_518, yellow_tripdata=2)
    backup.write_backup(as_runtime(runtime), with_secrets=False, target=None)
    said = capsys.readouterr().out
    assert f"{made(checkout)[0].relative_to(checkout)}: 0.0 MB, made in " in said
    assert "Orion          0 runs, 0 deployments" in said and "76,520 rows in 2 tables" in said
    assert f"only secrets/orion-{block_key.fingerprint(KEY)}.key decrypts its blocks" in said


@pytest.mark.parametrize("is_absolute", [True, False])
def test_a_backup_goes_to_the_named_file(runtime: FakeRuntime, checkout: Path, is_absolute: bool) -> None:
    (checkout / "stick").mkdir()
    backup.write_backup(
        as_runtime(runtime), True, checkout / "stick/mine.tar" if is_absolute else Path("stick/mine.tar")
    )
    assert (checkout / "stick" / "mine.tar").stat().st_mode & 0o777 == 0o600
    assert made(checkout) == []


def test_an_existing_file_is_not_overwritten(runtime: FakeRuntime, checkout: Path) -> None:
    (checkout / "mine.tar").write_text("precious")
    with pytest.raises(BadInputError, match=r"mine\.tar exists; choose another name"):
        backup.write_backup(as_runtime(runtime), True, Path("mine.tar"))
    assert (checkout / "mine.tar").read_text() == "precious"
    assert not runtime.stores.has_data(), "it is refused before anything is started"


def test_a_missing_folder_is_reported(runtime: FakeRuntime) -> None:
    with pytest.raises(BadInputError, match=r"stick/mine\.tar: there is no folder stick; create that folder first"):
        backup.write_backup(as_runtime(runtime), True, Path("stick/mine.tar"))


def test_two_backups_within_one_second_are_two_files(
    runtime: FakeRuntime, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OneSecond(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> OneSecond:
            return cls(2026, 11, 20, 12, 30, 15, tzinfo=tz)

    monkeypatch.setattr(backup, "datetime", OneSecond)
    with new_file(checkout / "backups" / "mine-2026-11-20-123015-2.tar"):  # a third one is being written
        for _ in range(2):
            backup.write_backup(as_runtime(runtime), True, None)
        names = {file.name for file in made(checkout) if not file.name.startswith(".")}
    assert names == {"mine-2026-11-20-123015.tar", "mine-2026-11-20-123015-3.tar"}


def test_a_file_that_another_backup_is_writing_is_not_taken(runtime: FakeRuntime, checkout: Path) -> None:
    with new_file(checkout / "mine.tar"):
        with pytest.raises(BadInputError, match=r"mine\.tar exists, or another program is writing it; choose another"):
            backup.write_backup(as_runtime(runtime), True, Path("mine.tar"))


def test_the_same_platform_twice_is_the_same_content(runtime: FakeRuntime, checkout: Path) -> None:
    runtime.ensure_up()
    runtime.load(green_tripdata=3)
    contents = []
    for name in ("first.tar", "second.tar"):
        backup.write_backup(as_runtime(runtime), True, Path(name))
        with archive.open_archive(checkout / name) as opened:
            contents.append((opened.manifest["members"], opened.manifest["rows"], opened.is_own))
    assert contents[0] == contents[1] and contents[0][2]


def fails(error: Exception) -> Callable[[MemberWriter, bytes], int]:
    def write(member: MemberWriter, chunk: bytes) -> int:
        raise error

    return write


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space left on the disk"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), ".* is too large for this file system"),
    ],
)
def test_a_disk_that_takes_no_more_leaves_nothing(
    runtime: FakeRuntime, checkout: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    monkeypatch.setattr(MemberWriter, "write", fails(error))
    with pytest.raises(CommandError, match=f"no backup was made, and no file is left: {words}"):
        backup.write_backup(as_runtime(runtime), True, None)
    assert made(checkout) == []


def test_a_store_that_does_not_answer_leaves_nothing(with_emulators: FakeRuntime, api: FakeApi, checkout: Path) -> None:
    api.answers = [counts(trips=3), counts(bucket=1), backup_answer(trips=3), close_connection]
    with pytest.raises(OrionboxError, match="halfway|no valid answer"):
        backup.write_backup(as_runtime(with_emulators), True, None)
    assert made(checkout) == []


def test_a_backup_with_the_real_cloud_reports_what_is_not_included() -> None:
    rows = {"orion": {"flow_run": 1, "deployment": 2}, "warehouse": {"green_tripdata": 3}}
    assert backup.describe_rows(rows).endswith("BigQuery and Cloud Storage are not included: they stay at Google")
