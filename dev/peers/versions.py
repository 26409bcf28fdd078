"""A plugin of pytest for gcsfs: a bucket that a test removes with all its objects loses their old versions first.

Its tests expect of an emulator that it deletes a bucket with noncurrent objects, which Google refuses
(https://cloud.google.com/storage/docs/json_api/v1/buckets/delete). Against Google they do what this plugin does.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import requests
from gcsfs.core import GCSFileSystem

_rm = GCSFileSystem.rm


def _remove(self: Any, path: Any, recursive: bool = False, **options: Any) -> Any:
    if recursive and isinstance(path, str) and "/" not in path.strip("/"):
        objects = f"{os.environ['STORAGE_EMULATOR_HOST']}/storage/v1/b/{path.strip('/')}/o"
        for item in requests.get(objects, {"versions": "true"}, timeout=60).json().get("items", []):
            address = f"{objects}/{quote(item['name'], safe='')}"
            requests.delete(address, params={"generation": item["generation"]}, timeout=60)
        self.invalidate_cache()
    return _rm(self, path, recursive=recursive, **options)


GCSFileSystem.rm = _remove
