"""Takes over the data folder of Orionbox 0.1 and 0.2, once: whole or not at all.

There an object was a file at `.cloudstorage/BUCKET/NAME`, and `.cloudstorage/.meta` held what was known about all of
them. The new catalogue is made in a folder of its own and comes into place in one step, the last one. Uploads that were
not complete are not taken over.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from services.gcs.disk import contents
from services.gcs.disk.catalogue import FILE, LIVE, SOFT_DELETED, Bucket, StoredObject, Transaction, timestamp
from services.gcs.disk.tree import FOLDER
from services.gcs.errors import StorageError
from services.gcs.rules import access, bucket_fields, object_fields, values
from services.gcs.rules.resources import etag
from services.gcs.store import Store

OLD, META, DELETED = FOLDER, ".meta", "_softdelete"
BUILDING = ".takeover"
NOT_BUCKETS = (".", "_")
"""How names of the old folder begin that are no bucket: uploads that were not complete, deleted objects."""
_log = logging.getLogger("gcs")


def take_over(folder: Path) -> None:
    """Take over what an earlier version has left in a data folder; nothing happens where there is nothing."""
    old, building = folder / OLD, folder / BUILDING
    shutil.rmtree(building, ignore_errors=True)
    if (folder / FILE).exists():
        # A crash after the last step: the old files are linked from the new place
        (old / META).unlink(missing_ok=True)
        return
    if not old.is_dir():
        return
    _log.info("taking over the objects of an earlier version")
    store = Store(building)
    count = sum(_take_over_bucket(store, path, meta) for path, meta in _buckets(old))
    store.close()
    shutil.rmtree(folder / "objects", ignore_errors=True)
    (building / "objects").rename(folder / "objects")
    os.sync()
    (building / FILE).rename(folder / FILE)
    shutil.rmtree(building)
    # What else is in the old folder goes when the tree is compared with the catalogue
    (old / META).unlink(missing_ok=True)
    _log.info("took over %d objects", count)


def _buckets(old: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Return the folders of buckets, with what is known about each and its objects."""
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        known = json.loads((old / META).read_text(encoding="utf-8"))
    names = {path.name for path in old.iterdir() if path.is_dir() and not path.name.startswith(NOT_BUCKETS)}
    for name in sorted(names | set(known.get("buckets", {}))):
        # From somebody's backup, a name could lead out of the folder; earlier versions had no others either
        if values.bucket_name_problem(name):
            _log.warning("not taken over: %r, which is no name of a bucket", name)
            continue
        sections = {
            "bucket": "buckets",
            "objects": "objects",
            "policy": "bucket_iam_policies",
            "deleted": "soft_deleted",
        }
        yield old / name, {each: known.get(section, {}).get(name, {}) for each, section in sections.items()}


def _take_over_bucket(store: Store, path: Path, meta: dict[str, Any]) -> int:
    """Take over a bucket; return how many objects it has."""
    files = list(_named_files(path, meta["objects"]))
    with store.write() as tx:
        bucket = tx.insert_bucket(path.name, store.default_fields(_bucket_fields(meta["bucket"])))
        if created := meta["bucket"].get("timeCreated"):
            tx.execute("UPDATE buckets SET created = ? WHERE id = ?", [_time(created), bucket.id])
        if meta["policy"]:
            with suppress(StorageError):
                access.set_policy(bucket, meta["policy"], etag(bucket.metageneration))
                tx.update_bucket(bucket, touch=False)
        for name, file in files:
            _take_over_object(store, tx, bucket, name, file, meta["objects"].get(name, {}))
        for name, generations in meta["deleted"].items():
            for generation, known in generations.items():
                _take_over_deleted(store, tx, bucket, name, path.parent / DELETED, generation, known)
    return len(files)


def _named_files(path: Path, known: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """Return name and file of each object of a bucket's folder.

    Names may end with a slash, or hold two of them or a backslash: an object keeps the name in .meta, which may differ
    from its path. Two names may even have one file, which was then the content of both.
    """
    files = {file for file in path.rglob("*") if file.is_file() and not file.is_symlink()}
    named = {name: path.joinpath(*filter(None, name.replace("\\", "/").split("/"))) for name in known}
    yield from ((name, file) for name, file in named.items() if file in files)
    yield from ((file.relative_to(path).as_posix(), file) for file in sorted(files - set(named.values())))


def _take_over_deleted(
    store: Store, tx: Transaction, bucket: Bucket, name: str, folder: Path, generation: str, known: dict[str, Any]
) -> None:
    """Take over a deleted object, which can be restored until its time is over."""
    file = folder / bucket.name / hashlib.sha256(f"{bucket.name}:{name}:{generation}".encode()).hexdigest()
    if not file.is_file():
        return
    stored = _take_over_object(store, tx, bucket, name, file, known, SOFT_DELETED)
    stored.deleted = _time(str(known.get("softDeleteTime")))
    stored.fields["hardDeleteTime"] = _time(str(known.get("hardDeleteTime")))
    tx.update_object(stored, touch=False)


def _bucket_fields(known: dict[str, Any]) -> dict[str, Any]:
    names = ("location", "storageClass", "labels", "versioning", "lifecycle", "cors", "website")
    found = bucket_fields.new_fields({}, {})
    for name in names:
        # What Google refuses earlier versions took
        with suppress(StorageError):
            alone = bucket_fields.new_fields({name: known.get(name)}, {})
            found |= {name: alone[name]} if name in alone else {}
    return found


def _take_over_object(
    store: Store, tx: Transaction, bucket: Bucket, name: str, file: Path, known: dict[str, Any], state: int = LIVE
) -> StoredObject:
    incoming = contents.Incoming(file, append=True)
    sums = incoming.sums()
    try:
        fields = object_fields.read_fields(known, bucket)
    except StorageError:
        fields = object_fields.read_fields({"contentType": str(known.get("contentType") or "")[:200]}, bucket)
    fields["storageClass"] = (
        known["storageClass"] if known.get("storageClass") in values.STORAGE_CLASSES else "STANDARD"
    )
    generation = tx.next_generation()
    modified = timestamp(datetime.fromtimestamp(file.stat().st_mtime).astimezone())
    created, updated = _time(known.get("timeCreated") or modified), _time(known.get("updated") or modified)
    tx.placed.append(generation)
    try:
        os.link(file, store.contents.path(generation))
    except OSError:
        shutil.copyfile(file, store.contents.path(generation))
    stored = StoredObject(
        generation, bucket.id, name, 1, state, sums.size, sums.md5, sums.crc32c, created, updated, None, fields
    )
    tx.insert_object(stored)
    return stored


def _time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return timestamp(moment if moment.tzinfo else moment.astimezone())
    except ValueError:
        return timestamp()
