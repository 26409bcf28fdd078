"""Takes over the data folder of Orionbox 0.1 and 0.2, once: whole or not at all.

There an object was a file at `.cloudstorage/BUCKET/NAME`, and `.cloudstorage/.meta` held what was known about all of
them. The new catalogue is made in a folder of its own and comes into place in one step, the last one.
"""

from __future__ import annotations

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
from services.gcs.disk.catalogue import FILE, LIVE, Bucket, StoredObject, Transaction, timestamp
from services.gcs.disk.tree import FOLDER
from services.gcs.errors import StorageError
from services.gcs.rules import bucket_fields, object_fields, values
from services.gcs.store import Store

OLD, META = FOLDER, ".meta"
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
        meta = {"bucket": known.get("buckets", {}).get(name, {}), "objects": known.get("objects", {}).get(name, {})}
        yield old / name, meta


def _take_over_bucket(store: Store, path: Path, meta: dict[str, Any]) -> int:
    """Take over a bucket; return how many objects it has."""
    # "folder/" and "a//b" are names, too: an object keeps the name in .meta, which may differ from its path
    names = {path.joinpath(*filter(None, name.split("/"))): name for name in meta["objects"]}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    with store.write() as tx:
        bucket = tx.insert_bucket(path.name, store.default_fields(_bucket_fields(meta["bucket"])))
        if created := meta["bucket"].get("timeCreated"):
            tx.execute("UPDATE buckets SET created = ? WHERE id = ?", [_time(created), bucket.id])
        for file in files:
            name = names.get(file, file.relative_to(path).as_posix())
            _take_over_object(store, tx, bucket, name, file, meta["objects"].get(name, {}))
    return len(files)


def _bucket_fields(known: dict[str, Any]) -> dict[str, Any]:
    names = ("location", "storageClass", "labels", "versioning", "lifecycle", "cors", "website")
    try:
        return bucket_fields.new_fields({name: known[name] for name in names if known.get(name)}, {})
    except StorageError:
        return bucket_fields.new_fields({}, {})


def _take_over_object(
    store: Store, tx: Transaction, bucket: Bucket, name: str, file: Path, known: dict[str, Any]
) -> None:
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
    tx.insert_object(
        StoredObject(
            generation, bucket.id, name, 1, LIVE, sums.size, sums.md5, sums.crc32c, created, updated, None, fields
        )
    )


def _time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return timestamp(moment if moment.tzinfo else moment.astimezone())
    except ValueError:
        return timestamp()
