"""Resumable uploads: each chunk is appended to a file, which becomes the object.

The emulator itself rewrites the whole upload with every chunk, and once more for the object.
"""

# mypy: disable-error-code="import-untyped,import-not-found,misc"
# The emulator carries no type information, so its classes and objects are Any.

import os
import re
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gcp_storage_emulator.exceptions import BadRequest, NotFound
from gcp_storage_emulator.storage import RESUMABLE_DIR, Storage

LIFETIME = timedelta(days=7)
"""How long an upload may rest (https://cloud.google.com/storage/docs/resumable-uploads#session-uris)."""
MODE = 0o644
"""Permissions of objects: the BigQuery emulator can read them as any user."""


class ResumableStorage(Storage):
    """The emulator's storage on a disk, with resumable uploads in linear time.

    A chunk is on the disk before it is acknowledged. The object appears in one step, when all chunks are there.
    """

    def get_resumable_byte_count(self, file_id: str) -> int:
        """Return how many bytes of an upload have arrived."""
        path = self._part(file_id)
        return path.stat().st_size if path.exists() else 0

    def add_to_resumable_upload(
        self, file_id: str, content: bytes, total_size: int | None = None, expected_start: int | None = None
    ) -> bytes | None:
        """Append a chunk; return the whole content when ``total_size`` bytes have arrived, before that None.

        A chunk that is sent again, because the server was killed while it wrote, overwrites itself.
        """
        path = self._part(file_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_RDWR | os.O_CREAT), "r+b") as file:
            os.fchmod(file.fileno(), MODE)
            size = file.seek(0, os.SEEK_END)
            start = size if expected_start is None else expected_start
            if start > size:
                raise BadRequest(f"Invalid Content-Range start: expected {size}, got {start}")
            file.seek(start)
            file.truncate()
            file.write(content or b"")
            file.flush()
            os.fsync(file.fileno())
            if total_size is None or file.tell() < total_size:
                return None
            file.truncate(total_size)
            file.seek(0)
            return file.read()

    def create_file(
        self, bucket_name: str, file_name: str, content: bytes, file_obj: dict[str, Any], file_id: str | None = None
    ) -> None:
        """Create the object; the file of an upload in chunks becomes the object."""
        if file_id is None or not self._part(file_id).exists():
            super().create_file(bucket_name, file_name, content, file_obj, file_id)
            return
        if bucket_name not in self.buckets:
            raise NotFound
        target: Path = self._store._disk_path(self._object_path(bucket_name, file_name))
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._part(file_id), target)
        self.objects.setdefault(bucket_name, {})[file_name] = file_obj
        self.delete_resumable_file_obj(file_id)
        self._write_config_to_file()

    def cancel_upload(self, file_id: str) -> None:
        """Forget an upload and delete what has arrived of it.

        Raises:
            NotFound: there is no such upload.
        """
        self.delete_resumable_file_obj(file_id)
        self._part(file_id).unlink(missing_ok=True)
        self._write_config_to_file()

    def forget_old_uploads(self, now: datetime) -> None:
        """Cancel expired uploads, and delete files that belong to no upload."""
        for file_id in list(self.resumable):
            begun = re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$", file_id)
            if begun and datetime.fromisoformat(begun[0]) < now - LIFETIME:
                self.cancel_upload(file_id)
        known = {self._part(file_id) for file_id in self.resumable}
        for path in set(self._store._disk_path(RESUMABLE_DIR).glob("*")) - known:
            path.unlink()

    def _part(self, file_id: str) -> Path:
        path: Path = self._store._disk_path(self._object_path(RESUMABLE_DIR, self.safe_id(file_id)))
        return path


def cancel(request: Any, response: Any, storage: ResumableStorage) -> None:
    """Answer the DELETE by which a client cancels an upload (Google's own answer to it is 499)."""
    try:
        storage.cancel_upload(request.query["upload_id"][0])
        response.status = HTTPStatus.NO_CONTENT
    except (KeyError, NotFound):
        response.status = HTTPStatus.NOT_FOUND
