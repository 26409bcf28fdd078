"""What can be done with buckets and objects, whichever API asks for it.

Each function works in a transaction of the catalogue. Contents follow it: put in place before the commit, removed
after it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.gcs.disk.catalogue import (
    LIVE,
    NONCURRENT,
    SOFT_DELETED,
    Bucket,
    Catalogue,
    StoredObject,
    Transaction,
    timestamp,
)
from services.gcs.disk.contents import Contents, Incoming, Sums
from services.gcs.disk.tree import Tree
from services.gcs.errors import StorageError, conflict, forbidden, invalid, no_bucket, no_object, not_found
from services.gcs.rules import values
from services.gcs.rules.conditions import Conditions
from services.gcs.rules.resources import object_etag, retention_end

_log = logging.getLogger("gcs")


class Store:
    """The buckets and objects of one folder.

    Args:
        folder: the data folder.
        creates_buckets: whether a write to a bucket that does not exist creates it; at Google it is an error.
    """

    def __init__(self, folder: Path, creates_buckets: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.creates_buckets = folder, creates_buckets
        self.catalogue, self.contents, self._tree = Catalogue(folder), Contents(folder), Tree(folder)

    def clean_up(self) -> None:
        """Remove what has expired and what a crash has left behind; nothing else may be running."""
        self.forget_expired()
        with self.read() as tx:
            parts = {row[0] for row in tx.execute("SELECT id FROM uploads UNION ALL SELECT file FROM parts")}
            generations = set(tx.all_generations())
            buckets = tx.buckets()
            live = [
                (bucket.name, stored.name, self.contents.path(stored.generation))
                for bucket in buckets
                for stored in tx.objects(bucket, (LIVE,), (b"", 0), None)
            ]
        self._forget_lost(generations)
        if stray := self.contents.sweep(generations, parts):
            _log.info("removed %d files that belong to no object", stray)
        self._tree.compare([bucket.name for bucket in buckets], [each for each in live if each[2].exists()])

    def _forget_lost(self, generations: set[int]) -> None:
        """Remove generations whose content is not there: a disk has lost it, since a row comes after its content."""
        lost = generations - self.contents.generations()
        if not lost:
            return
        _log.error("%d objects are gone from the disk: %s", len(lost), sorted(lost)[:20])
        generations -= lost
        with self.write() as tx:
            for generation in lost:
                tx.remove_object(generation)

    def forget_expired(self) -> None:
        """Remove uploads and soft-deleted objects whose time is over."""
        oldest = timestamp(later=-values.UPLOAD_SECONDS)
        with self.write() as tx:
            ended = [row[0] for row in tx.execute("SELECT id FROM uploads WHERE created < ?", [oldest])]
            files = [file for upload in ended for file in tx.forget_upload(upload)]
            for stored in tx.expired(timestamp()):
                self._forget(tx, stored)
        for file in files:
            self.contents.part(file).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files."""
        self.catalogue.close()
        self.contents.close()

    def prune(self, days: float, only_count: bool) -> tuple[int, int]:
        """Delete for good what was soft-deleted more than `days` ago; return how many objects and bytes that is."""
        oldest, found = timestamp(later=-days * 24 * 3600), (0, 0)
        with self.write() as tx:
            for stored in tx.deleted_before(oldest):
                found = found[0] + 1, found[1] + stored.size
                if not only_count:
                    self._forget(tx, stored)
        return found

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Begin a transaction that writes, with the contents that belong to it."""
        placed: list[int] = []
        try:
            with self.catalogue.write(self._show) as tx:
                tx.placed = placed
                yield tx
        except BaseException:
            self.contents.remove(placed)
            raise
        self.contents.remove(tx.discarded)

    def _show(self, tx: Transaction) -> None:
        """Let the tree follow a transaction."""
        for bucket_name, name in sorted(tx.changed):
            bucket = tx.bucket(bucket_name)
            if bucket is None:
                self._tree.remove_bucket(bucket_name)
            elif not name:
                self._tree.add_bucket(bucket_name)
            else:
                live = tx.object(bucket, name)
                self._tree.put(bucket_name, name, self.contents.path(live.generation) if live else None)

    def read(self) -> Any:
        """Begin a transaction that sees one moment."""
        return self.catalogue.read()

    # --- buckets ---

    def bucket(self, tx: Transaction, name: str) -> Bucket:
        """Return a bucket."""
        values.check_bucket_name(name)
        if found := tx.bucket(name):
            return found
        raise no_bucket()

    def bucket_to_write(self, tx: Transaction, name: str) -> Bucket:
        """Return a bucket; where the platform says so, create it if there is none."""
        if self.creates_buckets and not tx.bucket(name):
            values.check_bucket_name(name)
            _log.info("bucket %s: created at the first write to it", name)
            return self.create_bucket(tx, name, {})
        return self.bucket(tx, name)

    def create_bucket(self, tx: Transaction, name: str, fields: dict[str, Any]) -> Bucket:
        """Create a bucket, with Google's defaults for everything that is not given."""
        values.check_bucket_name(name)
        if tx.bucket(name):
            text = "Your previous request to create the named bucket succeeded and you already own it."
            raise conflict(text)
        tx.changed.add((name, ""))
        return tx.insert_bucket(name, self.default_fields(fields))

    @staticmethod
    def default_fields(fields: dict[str, Any]) -> dict[str, Any]:
        """Return a new bucket's fields: those given, and Google's defaults for the others."""
        policy = {"retentionDurationSeconds": str(values.SOFT_DELETE_SECONDS), "effectiveTime": timestamp()}
        uniform = {"enabled": False}
        access = {
            "bucketPolicyOnly": uniform,
            "uniformBucketLevelAccess": uniform,
            "publicAccessPrevention": "inherited",
        }
        defaults = {
            "location": "US",
            "storageClass": "STANDARD",
            "iamConfiguration": access,
            "softDeletePolicy": policy,
        }
        return {**defaults, **fields}

    def delete_bucket(self, tx: Transaction, name: str, conditions: Conditions) -> None:
        """Delete a bucket; with a soft-delete policy it can be restored."""
        bucket = self.bucket(tx, name)
        conditions.check(bucket)
        if tx.has_objects(bucket):
            raise conflict("The bucket you tried to delete is not empty.", "BucketNotEmpty")
        tx.changed.add((name, ""))
        if keeps_deleted(bucket):
            bucket.deleted = timestamp()
            tx.update_bucket(bucket, touch=False)
            return
        for stored in list(tx.objects(bucket, (SOFT_DELETED,), (b"", 0), None)):
            self._forget(tx, stored)
        tx.remove_bucket(bucket)

    # --- objects ---

    def object(self, tx: Transaction, bucket: Bucket, name: str, generation: int | None = None) -> StoredObject:
        """Return an object: the live generation, or the one that is asked for."""
        if found := tx.object(bucket, name, generation):
            return found
        raise no_object(bucket.name, name)

    def put(
        self,
        tx: Transaction,
        bucket: Bucket,
        name: str,
        fields: dict[str, Any],
        content: Incoming | StoredObject,
        sums: Sums,
        conditions: Conditions,
    ) -> StoredObject:
        """Store a new generation of an object.

        Args:
            tx: the transaction.
            bucket: its bucket.
            name: its name.
            fields: the fields of its resource.
            content: what has arrived and is synced, or the generation whose content it shares.
            sums: size and checksums of the content.
            conditions: what must hold for the live generation.
        """
        live = tx.object(bucket, name)
        conditions.check(live, object_etag(live) if live else "")
        if live:
            self._retire(tx, bucket, live)
        now, generation = timestamp(), tx.next_generation()
        kept = {"storageClass": bucket.fields["storageClass"], **fields}
        if bucket.fields.get("defaultEventBasedHold") and "eventBasedHold" not in kept:
            kept["eventBasedHold"] = True
        stored = StoredObject(
            generation, bucket.id, name, 1, LIVE, sums.size, sums.md5, sums.crc32c, now, now, None, kept
        )
        tx.placed.append(generation)
        if isinstance(content, Incoming):
            self.contents.keep(content, generation)
        else:
            self.contents.link(content.generation, generation)
        tx.insert_object(stored)
        tx.changed.add((bucket.name, name))
        return stored

    def delete(
        self, tx: Transaction, bucket: Bucket, name: str, generation: int | None, conditions: Conditions
    ) -> StoredObject:
        """Delete the live generation, or the one that is asked for; return it."""
        stored = self.object(tx, bucket, name, generation)
        conditions.check(stored, object_etag(stored))
        tx.changed.add((bucket.name, name))
        if generation is None:
            self._retire(tx, bucket, stored)
        else:
            refuse_if_protected(bucket, stored)
            self._drop(tx, bucket, stored)
        return stored

    def _retire(self, tx: Transaction, bucket: Bucket, live: StoredObject) -> None:
        """Make room for another live generation: the old one is kept as noncurrent if the bucket has versions."""
        versions = bucket.fields.get("versioning", {}).get("enabled")
        refuse_if_protected(bucket, live, only_holds=bool(versions))
        if versions:
            live.state, live.deleted = NONCURRENT, timestamp()
            tx.update_object(live, touch=False)
        else:
            self._drop(tx, bucket, live)

    def _drop(self, tx: Transaction, bucket: Bucket, stored: StoredObject) -> None:
        """Remove a generation, at once or after the time of the bucket's soft-delete policy."""
        seconds = keeps_deleted(bucket)
        if not seconds:
            self._forget(tx, stored)
            return
        stored.state, stored.deleted = SOFT_DELETED, timestamp()
        stored.fields["hardDeleteTime"] = timestamp(later=seconds)
        tx.update_object(stored, touch=False)

    def _forget(self, tx: Transaction, stored: StoredObject) -> None:
        tx.remove_object(stored.generation)
        tx.discarded.append(stored.generation)

    def restore(
        self, tx: Transaction, bucket: Bucket, name: str, generation: int | None, conditions: Conditions
    ) -> StoredObject:
        """Make a soft-deleted generation live again, as a new generation.

        https://cloud.google.com/storage/docs/json_api/v1/objects/restore
        """
        if generation is None:
            raise StorageError(400, "required", "Required parameter: generation", "generation")
        stored = tx.deleted_object(bucket, name, generation)
        if not stored:
            raise no_object(bucket.name, name)
        fields = {key: value for key, value in stored.fields.items() if key != "hardDeleteTime"}
        restored = self.put(tx, bucket, name, fields, stored, sums_of(stored), conditions)
        self._forget(tx, stored)
        return restored

    def copy(
        self,
        tx: Transaction,
        source: StoredObject,
        bucket: Bucket,
        name: str,
        fields: dict[str, Any] | None,
        conditions: Conditions,
    ) -> StoredObject:
        """Store a copy, which shares the content; `fields` replace those of the source, unless None."""
        inherited = {key: value for key, value in source.fields.items() if key not in NOT_COPIED}
        new = inherited if fields is None else fields
        if source.fields.get("componentCount"):
            new = {**new, "componentCount": source.fields["componentCount"]}
        return self.put(tx, bucket, name, new, source, sums_of(source), conditions)

    def sources(
        self, tx: Transaction, bucket: Bucket, given: list[tuple[str, int | None, Conditions]]
    ) -> list[StoredObject]:
        """Return the objects that a compose joins, after their conditions have been checked."""
        found = []
        for name, generation, conditions in given:
            stored = self.object(tx, bucket, name, generation)
            conditions.check(stored)
            found.append(stored)
        if sum(stored.size for stored in found) > values.MOST_OBJECT_BYTES:
            raise invalid("The composed object would be larger than 5 TiB.")
        return found


NOT_COPIED = {
    "acl",
    "temporaryHold",
    "eventBasedHold",
    "retention",
    "hardDeleteTime",
    "componentCount",
    "kmsKeyName",
    "_released",
}
"""Fields that a copy does not take over (https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite)."""


def sums_of(stored: StoredObject) -> Sums:
    """Return the size and checksums of an object."""
    return Sums(stored.size, stored.md5, stored.crc32c)


def keeps_deleted(bucket: Bucket) -> int:
    """Return for how many seconds a bucket keeps what is deleted; 0 if it does not."""
    return int(bucket.fields.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0))


def refuse_if_protected(bucket: Bucket, stored: StoredObject, only_holds: bool = False) -> None:
    """Refuse to delete or overwrite what a hold or a retention protects.

    https://cloud.google.com/storage/docs/object-holds and https://cloud.google.com/storage/docs/bucket-lock.
    """
    what = f"Object '{bucket.name}/{stored.name}'"
    for name, word in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        if stored.fields.get(name):
            text = f"{what} is under active {word} hold"
            raise forbidden(f"{text} and cannot be deleted, overwritten or archived until hold is removed.")
    if only_holds:
        return
    last = retention_end(bucket, stored)
    if last and last > datetime.now(UTC):
        text = (
            f"{what} is subject to bucket's retention policy or object retention and cannot be deleted or overwritten"
        )
        raise forbidden(f"{text} until {timestamp(last)}", "retentionPolicyNotMet")


def find_deleted_bucket(tx: Transaction, name: str, generation: int | None) -> Bucket:
    """Return a soft-deleted bucket."""
    if generation is None:
        raise StorageError(400, "required", "Required parameter: generation", "generation")
    if found := tx.deleted_bucket(name, generation):
        return found
    raise not_found("The specified bucket does not exist.")
