"""A tree of the live objects under their own names, for programs that read them as files: BigQuery's stand-in does.

It is made of hard links to the contents, after each change. Nothing depends on it: at a start it is compared with the
catalogue. An object whose name no file can have, such as `a//b`, or `a` beside `a/b`, is not in it.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from services.gcs.disk.contents import make_folder

FOLDER = ".cloudstorage"
"""Its name in the data folder, which external tables of BigQuery's stand-in hold."""
NEW = ".new"
_log = logging.getLogger("gcs")


class Tree:
    """The tree in a data folder.

    Args:
        folder: the data folder.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder / FOLDER
        make_folder(self._root)

    def path(self, bucket: str, name: str) -> Path | None:
        """Return the file of an object; None if its name, or that of its bucket, cannot be a file's."""
        parts = [bucket, *name.split("/")]
        # A bucket's name may come from a catalogue in somebody's backup
        if "/" in bucket or any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > 255 for part in parts):
            return None
        return self._root.joinpath(*parts)

    def put(self, bucket: str, name: str, content: Path | None) -> None:
        """Show an object's content; without one, show it no more."""
        path = self.path(bucket, name)
        if path is None:
            return
        try:
            self._replace(path, content)
        except OSError as error:
            _log.debug("gs://%s/%s is not shown as a file: %s", bucket, name, error)

    def _replace(self, path: Path, content: Path | None) -> None:
        if content is None:
            path.unlink(missing_ok=True)
            for folder in path.relative_to(self._root).parents[:-2]:
                with suppress(OSError):
                    (self._root / folder).rmdir()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        new = self._root / NEW
        new.unlink(missing_ok=True)
        os.link(content, new)
        os.replace(new, path)

    def add_bucket(self, bucket: str) -> None:
        """Show a bucket."""
        if path := self.path(bucket, "-"):
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)

    def remove_bucket(self, bucket: str) -> None:
        """Show a bucket no more."""
        if path := self.path(bucket, "-"):
            shutil.rmtree(path.parent, ignore_errors=True)

    def compare(self, buckets: Iterable[str], objects: Iterable[tuple[str, str, Path]]) -> None:
        """Make the tree what it would be, had nothing been interrupted.

        Args:
            buckets: all of them.
            objects: bucket, name and content of all live objects.
        """
        wanted = {
            path: (bucket, name, content) for bucket, name, content in objects if (path := self.path(bucket, name))
        }
        for folder, folders, files in os.walk(self._root, topdown=False):
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for path in (Path(folder, name) for name in [*files, *links]):
                known = wanted.get(path)
                if known is None or path.is_symlink() or not os.path.samefile(path, known[2]):
                    path.unlink()
            if Path(folder) != self._root:
                with suppress(OSError):
                    os.rmdir(folder)
        for bucket in buckets:
            self.add_bucket(bucket)
        for path, (bucket, name, content) in wanted.items():
            if not path.exists():
                self.put(bucket, name, content)
