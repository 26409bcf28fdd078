"""Snapshots: what a service hands out arrives whole or not at all, and a copy of Orion's database holds no key."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from cli.archive import snapshots
from cli.archive.archive import Sink
from orionbox.errors import CommandError

KEY = "kept-apart-0123456789"


def tar(**members: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as target:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return file.getvalue()


WHOLE = tar(**{"taxi/month": b"trips" * 10_000, snapshots.SUMMARY: json.dumps({"rows": {"taxi": 1}}).encode()})


def test_a_service_s_tar_is_passed_on_as_it_is_with_its_rows() -> None:
    target = io.BytesIO()
    assert snapshots._compress(io.BytesIO(WHOLE), Sink(target)) == {"taxi": 1}
    assert gzip.decompress(target.getvalue()) == WHOLE


@pytest.mark.parametrize("length", [0, 100, 20_000, len(WHOLE) - 12_000, WHOLE.index(b'{"rows"')])
def test_a_service_that_breaks_off_fails_the_backup(length: int) -> None:
    with pytest.raises(CommandError, match="broke off in the middle"):
        snapshots._compress(io.BytesIO(WHOLE[:length]), Sink(io.BytesIO()))


def test_a_copy_of_orion_s_database_holds_all_but_the_key(tmp_path: Path) -> None:
    file = tmp_path / "prefect.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"CREATE TABLE {snapshots.KEY_TABLE} (key, value)")
        connection.execute(f"INSERT INTO {snapshots.KEY_TABLE} VALUES ('ENCRYPTION_KEY', '{KEY}')")
        connection.execute("CREATE TABLE flow_run (id)")
        connection.execute("INSERT INTO flow_run VALUES ('run-1')")
    target = io.BytesIO()
    with snapshots.copied("orion.sqlite.gz", file) as part:
        part.write(Sink(target))
    content = gzip.decompress(target.getvalue())
    assert part.rows == {snapshots.KEY_TABLE: 0, "flow_run": 1}
    assert b"run-1" in content and KEY.encode() not in content
    assert list(tmp_path.iterdir()) == [file]
    snapshots.unzip(io.BytesIO(target.getvalue()), tmp_path / "again.db")
    assert (tmp_path / "again.db").read_bytes() == content
