"""Snapshots: one from an emulator arrives whole or not at all, and one of Orion's database holds no key."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cli.archive import snapshots
from cli.archive.archive import MemberWriter
from orionbox.errors import CommandError
from tests.tars import tar_of
from tests.unit.fake_api import FakeApi, answer_garbage, close_connection, json_answer, raw_answer

KEY = "not-in-a-backup-0123456789"


WHOLE = tar_of({"taxi/month": b"trips" * 10_000, snapshots.SUMMARY: json.dumps({"rows": {"taxi": 1}}).encode()})


@pytest.fixture
def emulator() -> Iterator[FakeApi]:
    with FakeApi().serving() as api:
        yield api


def downloaded(emulator: FakeApi) -> tuple[bytes, dict[str, int]]:
    target = io.BytesIO()
    with snapshots.download_emulator("bucket.tar.gz", emulator.url) as snapshot:
        snapshot.write(MemberWriter(target))
    return gzip.decompress(target.getvalue()), snapshot.rows


def test_an_emulator_s_tar_is_stored_unchanged_with_its_rows(emulator: FakeApi) -> None:
    emulator.answers = [raw_answer(WHOLE)]
    assert downloaded(emulator) == (WHOLE, {"taxi": 1})


@pytest.mark.parametrize("length", [0, 100, 20_000, len(WHOLE) - 12_000, WHOLE.index(b'{"rows"')])
def test_an_emulator_that_stops_halfway_fails_the_backup(emulator: FakeApi, length: int) -> None:
    emulator.answers = [raw_answer(WHOLE[:length], length=len(WHOLE))]
    with pytest.raises(CommandError, match="stopped halfway"):
        downloaded(emulator)


def test_an_emulator_that_sends_no_summary_fails_the_backup(emulator: FakeApi) -> None:
    emulator.answers = [raw_answer(tar_of({"month": b"trips"}))]
    with pytest.raises(CommandError, match=r"stopped halfway \(its end is missing\); no backup was made"):
        downloaded(emulator)


@pytest.mark.parametrize(
    "answer",
    [answer_garbage, close_connection, json_answer({}, 500), raw_answer(b"<html>"), raw_answer(b"{", length=100)],
)
def test_an_answer_that_is_not_one_is_explained(emulator: FakeApi, answer: object) -> None:
    emulator.answers = [answer]  # type: ignore[list-item]
    with pytest.raises(CommandError, match=rf"{emulator.url}/counts gives no valid answer \(.+make status"):
        snapshots.fetch_counts(emulator.url)


def test_no_proxy_stands_before_the_platform(emulator: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    emulator.answers = [json_answer({"rows": {"taxi": 1}, "bytes": 5})]
    assert snapshots.fetch_counts(emulator.url) == {"rows": {"taxi": 1}, "bytes": 5}


def test_a_copy_of_orion_s_database_holds_all_but_the_key(tmp_path: Path) -> None:
    file = tmp_path / "prefect.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"CREATE TABLE {snapshots.KEY_TABLE} (key, value)")
        connection.execute(f"INSERT INTO {snapshots.KEY_TABLE} VALUES ('ENCRYPTION_KEY', '{KEY}')")
        connection.execute("CREATE TABLE flow_run (id)")
        connection.execute("INSERT INTO flow_run VALUES ('run-1')")
    target = io.BytesIO()
    with snapshots.copy_sqlite("orion.sqlite.gz", file) as snapshot:
        snapshot.write(MemberWriter(target))
    content = gzip.decompress(target.getvalue())
    assert snapshot.rows == {snapshots.KEY_TABLE: 0, "flow_run": 1}
    assert b"run-1" in content and KEY.encode() not in content
    assert list(tmp_path.iterdir()) == [file]
    snapshots.decompress_sqlite(io.BytesIO(target.getvalue()), tmp_path / "again.db")
    assert (tmp_path / "again.db").read_bytes() == content


def test_a_killed_backup_s_copy_of_orion_s_database_is_deleted(tmp_path: Path) -> None:
    file = tmp_path / "prefect.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"CREATE TABLE {snapshots.KEY_TABLE} (key, value)")
    (tmp_path / ".folder.abcd1234.part").mkdir()
    (tmp_path / ".folder.abcd1234.part" / "prefect.db").touch()
    with snapshots.copy_sqlite("orion.sqlite.gz", file):
        pass
    assert list(tmp_path.iterdir()) == [file]


def test_a_database_that_cannot_be_copied_is_reported(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_text("not a database" * 100)
    with pytest.raises(CommandError, match=r"prefect\.db: file is not a database; no backup was made"):
        with snapshots.copy_sqlite("orion.sqlite.gz", tmp_path / "prefect.db"):
            pass
