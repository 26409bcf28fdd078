"""Measures Cloud Storage servers side by side, with Google's client: [NAME=URL...], else the platform's own.

Each operation is done on each server in turn, so that other load on the machine affects all of them. Prints one JSON
object: by name and operation, the seconds of each round.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

SIZES = (26, 222)
"""Megabytes: the parquet objects of a month as it was in 2021, and of the release's largest."""
SMALL, MANY, ROUNDS = 200, 10_000, 5
Operation = Callable[[Any, str], object]
Seconds = dict[str, dict[str, list[float]]]
"""By server and operation."""


class Uploads:
    """Contents of uploads, made once."""

    def __init__(self) -> None:
        self.large = {size: os.urandom(10**6) * size for size in SIZES}

    def operations(self) -> dict[str, Operation]:
        """Return the operations in their order: each needs what those before it have left."""
        found: dict[str, Operation] = {}
        for size in SIZES:
            found[f"{size} MB up"] = self._up(size)
            found[f"{size} MB down"] = self._down(size)
        return {
            **found,
            f"{SMALL} small uploads": _upload_small,
            f"{SMALL} get_blob": lambda bucket, _: [bucket.get_blob(f"small/{i}").size for i in range(SMALL)],
            f"{SMALL} small downloads": lambda bucket, _: [
                bucket.blob(f"small/{i}").download_as_bytes() for i in range(SMALL)
            ],
            f"list of {SMALL}": lambda bucket, _: len(list(bucket.list_blobs(prefix="small/"))),
        }

    def _up(self, size: int) -> Operation:
        content = self.large[size]
        return lambda bucket, run: bucket.blob(f"large/{size}-{run}").upload_from_file(io.BytesIO(content))

    def _down(self, size: int) -> Operation:
        return lambda bucket, run: _expect(len(bucket.blob(f"large/{size}-{run}").download_as_bytes()), size * 10**6)


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise ValueError(f"{found}, not {wanted}: measurement discarded")


def _upload_small(bucket: Any, _: str) -> None:
    for number in range(SMALL):
        bucket.blob(f"small/{number}").upload_from_string(b"x" * 1000)


def connect(url: str) -> Any:
    """Return a bucket of its own on a server."""
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = storage.Client(project="bench", credentials=credentials, client_options={"api_endpoint": url})
    return client.create_bucket(f"bench-{uuid.uuid4().hex}")


def measure(buckets: dict[str, Any]) -> Seconds:
    """Return the seconds of all rounds by server and operation."""
    seconds: Seconds = {name: {} for name in buckets}
    operations = Uploads().operations()
    for number in range(ROUNDS):
        for operation, call in operations.items():
            for name, bucket in buckets.items():
                start = time.perf_counter()
                call(bucket, str(number))
                seconds[name].setdefault(operation, []).append(time.perf_counter() - start)
    return seconds


def measure_many(bucket: Any) -> list[float]:
    """Return the seconds of each list of many objects, a page at a time."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: bucket.blob(f"many/{number:05}").upload_from_string(b"x"), range(MANY)))
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        _expect(sum(1 for _ in _pages(bucket)), MANY)
        seconds.append(time.perf_counter() - start)
    return seconds


def _pages(bucket: Any) -> Any:
    """Return the objects as the server sends them: the client's objects would take longer than the list."""
    parameters: dict[str, str] = {"prefix": "many/"}
    while True:
        page = bucket.client._connection.api_request("GET", f"{bucket.path}/o", query_params=parameters)
        yield from page.get("items", [])
        if "nextPageToken" not in page:
            return
        parameters["pageToken"] = page["nextPageToken"]


def main() -> None:
    """Measure the servers; the list of many objects only on the first one."""
    servers = sys.argv[1:] or [f"ours={os.environ['STORAGE_EMULATOR_HOST']}"]
    buckets = {name: connect(url) for name, _, url in (each.partition("=") for each in servers)}
    found = measure(buckets)
    first = next(iter(buckets))
    found[first][f"list of {MANY}"] = measure_many(buckets[first])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
