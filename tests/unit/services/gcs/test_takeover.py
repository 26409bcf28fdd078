"""The server takes the data of versions 0.1 and 0.2 over: once, with all objects or not at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("httptools")

from services.gcs import takeover
from tests.conformance.storage.server import Server, running
from tests.unit.services.gcs.test_server import files_without_a_row

WHEN, LATER = "2026-01-02T03:04:05.678901Z", "2099-01-02T03:04:05.678901Z"
CONTENTS = {
    "plain.csv": b"a,b",
    "data/green/month.parquet": b"trips",
    "dir/": b"",
    "dir \u00fc/\u00e4 b%c#?.txt": "\u00fc".encode(),
    "empty": b"",
    "a//b": b"slashes",
    "back\\slash": b"backslash",
    "packed.txt": gzip.compress(b"hello", mtime=0),
    "public": b"all may read",
}
FIELDS: dict[str, dict[str, Any]] = {
    "plain.csv": {"contentType": "text/csv; charset=utf-8", "metadata": {"k": "v", "\u00fc": "\u00f6"}},
    "packed.txt": {"contentEncoding": "gzip", "cacheControl": "no-cache", "storageClass": "NEARLINE"},
    "public": {"acl": [{"kind": "storage#objectAccessControl", "entity": "allUsers", "role": "READER"}]},
    "empty": {"size": 0},
}
BUCKET = {
    "name": "taxi",
    "location": "EU",
    "labels": {"a": "1"},
    "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 3}}]},
    "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}},
    "acl": [],
    "defaultObjectAcl": [],
    "timeCreated": WHEN,
    "updated": WHEN,
}
POLICY = {"kind": "storage#policy", "bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def resource(name: str, content: bytes, **fields: Any) -> dict[str, Any]:
    """Return what .meta of version 0.1 knows about an object."""
    return {
        "kind": "storage#object",
        "id": f"taxi/{name}/1795757454715896016",
        "name": name,
        "bucket": "taxi",
        "generation": "1795757454715896016",
        "metageneration": "2",
        "contentType": "text/plain",
        "timeCreated": WHEN,
        "updated": WHEN,
        "storageClass": "STANDARD",
        "size": str(len(content)),
        "md5Hash": md5(content),
        "acl": [],
        **fields,
    }


def write_old_folder(folder: Path) -> None:
    """Write the data folder of version 0.1 with an object of every kind, as that version left it."""
    root = folder / ".cloudstorage"
    for name, content in CONTENTS.items():
        path = root.joinpath("taxi", *filter(None, name.replace("\\", "/").split("/")))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "taxi/unknown.bin").write_bytes(b"no row")
    (root / "empty-one").mkdir()
    deleted = root / "_softdelete/taxi" / hashlib.sha256(b"taxi:gone:7").hexdigest()
    deleted.parent.mkdir(parents=True)
    deleted.write_bytes(b"gone")
    (root / "_resumable").mkdir()
    (root / "_resumable/half").write_bytes(b"half")
    (root / ".tmp-half").write_bytes(b"x")
    known = {name: resource(name, content, **FIELDS.get(name, {})) for name, content in CONTENTS.items()}
    gone = resource("gone", b"gone", softDeleteTime=WHEN, hardDeleteTime=LATER)
    meta = {
        "buckets": {"taxi": BUCKET, "empty-one": {}},
        "objects": {"taxi": known},
        "resumable": {"taxi:half": resource("half", b"", size=None, md5Hash=None)},
        "bucket_iam_policies": {"taxi": POLICY},
        "soft_deleted": {"taxi": {"gone": {"7": gone}}},
    }
    (root / ".meta").write_text(json.dumps(meta))


def get(server: Server, path: str) -> dict[str, Any]:
    """Return a resource of the JSON API."""
    status, body = server.ask(f"/storage/v1/b/{path}")
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


def check_everything(server: Server) -> None:
    """Compare every object and bucket with what version 0.1 had."""
    wanted = {**CONTENTS, "unknown.bin": b"no row"}
    assert server.names() == sorted(wanted, key=str.encode) and server.names("empty-one") == []
    for name, content in wanted.items():
        item = get(server, f"taxi/o/{quote(name, safe='')}?projection=full")
        assert (item["size"], item["md5Hash"]) == (str(len(content)), md5(content))
        for field, value in {"storageClass": "STANDARD", **FIELDS.get(name, {})}.items():
            assert field in ("acl", "size") or item[field] == value, (name, field)
        assert item["timeCreated"] == "2026-01-02T03:04:05.678Z" or name == "unknown.bin"
        who = [(entry["entity"].partition("-")[0], entry["role"]) for entry in item["acl"]]
        assert who == [("allUsers", "READER")] if name == "public" else len(who) == 3, name
        assert server.content(name) == (b"hello" if name == "packed.txt" else content)
    bucket = get(server, "taxi")
    assert all(bucket[field] == BUCKET[field] for field in ("location", "labels", "lifecycle"))
    assert bucket["timeCreated"] == "2026-01-02T03:04:05.678Z"
    assert POLICY["bindings"][0] in get(server, "taxi/iam")["bindings"]


def test_everything_of_an_earlier_version_is_taken_over_once(tmp_path: Path) -> None:
    write_old_folder(tmp_path)
    (tmp_path / ".takeover").mkdir()  # of a take-over that was interrupted
    for _ in range(2):
        with running(tmp_path, signal.SIGKILL) as server:
            check_everything(server)
            # What BigQuery reads as files is still there, and nothing else
            assert (tmp_path / ".cloudstorage/taxi/data/green/month.parquet").read_bytes() == b"trips"
            left = {path.name for path in (tmp_path / ".cloudstorage").iterdir()}
            assert left == {"taxi", "empty-one"} and not (tmp_path / ".takeover").exists()
            (gone,) = get(server, "taxi/o?softDeleted=true")["items"]
            assert (gone["name"], gone["hardDeleteTime"]) == ("gone", "2099-01-02T03:04:05.678Z")
    with running(tmp_path) as server:
        path = f"/storage/v1/b/taxi/o/gone/restore?generation={gone['generation']}"
        assert server.ask(path, b"{}", "POST")[0] == 200
        assert server.content("gone") == b"gone"
        assert files_without_a_row(tmp_path) == set()


def test_a_backup_of_an_earlier_version_can_be_restored(tmp_path: Path) -> None:
    write_old_folder(tmp_path / "old")
    for left_out in ("_softdelete", "_resumable"):
        shutil.rmtree(tmp_path / "old/.cloudstorage" / left_out)
    with tarfile.open(tmp_path / "bucket.tar", "w") as tar:
        tar.add(tmp_path / "old/.cloudstorage", ".cloudstorage")
    with tarfile.open(tmp_path / "bucket.tar") as tar:
        tar.extractall(tmp_path / "new", filter="data")
    (tmp_path / "new/.backup.json").write_text("{}")
    with running(tmp_path / "new") as server:
        check_everything(server)


def fail(*_: object, **__: object) -> None:
    raise OSError("the disk is full")


def fail_the_second_time(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that works once."""
    calls: list[object] = []

    def once(*arguments: Any) -> Any:
        calls.append(arguments)
        return fail() if len(calls) > 1 else function(*arguments)

    return once


@pytest.mark.parametrize("step", ["an object", "a bucket", "the rename of all contents", "the last step"])
def test_a_takeover_that_is_interrupted_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_old_folder(tmp_path)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    with monkeypatch.context() as patch:
        if step == "an object":
            patch.setattr(takeover, "_take_over_object", fail_the_second_time(takeover._take_over_object))
        elif step == "a bucket":
            patch.setattr(takeover, "_take_over_bucket", fail_the_second_time(takeover._take_over_bucket))
        elif step == "the rename of all contents":
            patch.setattr(Path, "rename", fail)
        else:
            patch.setattr(os, "sync", fail)
        with pytest.raises(OSError, match="disk is full"):
            takeover.take_over(tmp_path)
    assert not (tmp_path / "catalogue.sqlite").exists()
    assert {path: path.read_bytes() for path in before if path.is_file()} == before
    takeover.take_over(tmp_path)
    with running(tmp_path) as server:
        check_everything(server)
        assert files_without_a_row(tmp_path) == set()


def test_a_takeover_without_its_index_takes_the_files(tmp_path: Path) -> None:
    write_old_folder(tmp_path)
    meta = tmp_path / ".cloudstorage/.meta"
    os.truncate(meta, meta.stat().st_size // 2)
    with running(tmp_path) as server:
        assert server.content("data/green/month.parquet") == b"trips"


def test_a_strangers_backup_reaches_nothing_outside_the_folder(tmp_path: Path) -> None:
    folder, secret = tmp_path / "gcs", tmp_path / "outside/secret"
    write_old_folder(folder)
    secret.parent.mkdir()
    secret.write_bytes(b"of somebody else")
    meta = folder / ".cloudstorage/.meta"
    known = json.loads(meta.read_text())
    name = "../../outside"
    known["buckets"][name], known["objects"][name] = {}, {"secret": resource("secret", b"x")}
    meta.write_text(json.dumps(known))
    os.symlink(secret, folder / ".cloudstorage/taxi/link")
    os.symlink(secret.parent, folder / ".cloudstorage/taxi/folder")
    with running(folder) as server:
        check_everything(server)
        assert server.upload("folder/secret", b"x") == 200
    # The catalogue of a later version may be a stranger's, too
    sql = sqlite3.connect(folder / "catalogue.sqlite")
    sql.execute("INSERT INTO buckets SELECT 99, ?, 1, 1, created, updated, NULL, fields FROM buckets LIMIT 1", [name])
    sql.execute("UPDATE objects SET bucket = 99, name = ? WHERE name = ?", [b"secret", b"plain.csv"])
    sql.execute("INSERT INTO uploads VALUES ('up', 'multipart', 'taxi', 'stolen', ?, '{}')", [WHEN])
    stolen = ["../../outside/secret", md5(secret.read_bytes())]
    sql.execute("INSERT INTO parts VALUES ('up', 1, ?, 1, ?, '', '')", stolen)
    sql.commit()
    (generation,) = sql.execute("SELECT generation FROM objects WHERE name = ?", [b"empty"]).fetchone()
    sql.close()
    (folder / "objects" / str(generation)).unlink()
    os.symlink(secret, folder / "objects" / str(generation))
    with running(folder) as server:
        assert server.ask("/storage/v1/b/taxi/o/empty?alt=media")[0] == 404
        # The upload is so old that its parts were removed at the start
        assert server.ask("/taxi/stolen?uploadId=up", method="DELETE")[0] == 404
    assert secret.read_bytes() == b"of somebody else"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gcs", "outside"]
    assert [path.name for path in secret.parent.iterdir()] == ["secret"]


def test_a_field_that_google_refuses_is_left_out_alone() -> None:
    known = {"location": "EU", "storageClass": "NEARLINE", "labels": {"Team": "x"}, "versioning": {"enabled": True}}
    found = takeover._bucket_fields(known)
    assert found == {"location": "EU", "storageClass": "NEARLINE", "versioning": {"enabled": True}}
