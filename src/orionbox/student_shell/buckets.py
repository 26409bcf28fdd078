"""Lets code name a bucket of Cloud Storage that the emulator does not have: its first write creates it.

At Google, the student made the bucket in week 1. To read from a bucket that does not exist is still an error.
"""

from __future__ import annotations

import os
import sys
from functools import wraps
from types import ModuleType
from typing import Any


def change(client: ModuleType) -> None:
    """Makes `Client.get_bucket` return a bucket that does not exist; `lookup_bucket` still says that there is none."""
    storage_client = client.Client
    get = storage_client.get_bucket
    named: set[str] = set()

    @wraps(get)
    def get_or_name(self: Any, bucket_or_name: Any, *args: Any, **options: Any) -> Any:
        try:
            return get(self, bucket_or_name, *args, **options)
        except client.NotFound:
            if "STORAGE_EMULATOR_HOST" not in os.environ:
                raise
            bucket = self._bucket_arg_to_bucket(bucket_or_name)
            # Once: the client asks again by itself, to describe the bucket in traces
            if bucket.name not in named:
                named.add(bucket.name)
                _log(f"bucket {bucket.name} does not exist; a first write creates it, if its name is allowed")
            return bucket

    @wraps(storage_client.lookup_bucket)
    def lookup(self: Any, bucket_name: str, *args: Any, **options: Any) -> Any:
        try:
            return get(self, bucket_name, *args, **options)
        except client.NotFound:
            return None

    storage_client.get_bucket, storage_client.lookup_bucket = get_or_name, lookup


def _log(text: str) -> None:
    """Writes a line to the log of the Prefect run, if there is one; else to standard error."""
    if "prefect" in sys.modules:
        from prefect.exceptions import MissingContextError
        from prefect.logging import get_run_logger

        try:
            get_run_logger().info(text)
        except MissingContextError:
            pass
        else:
            return
    sys.stderr.write(f"{text}\n")
