"""Deletes stored results of tasks and flows that nothing needs any more.

Results are files, and with Dask objects below `task-results/` in the bucket. Prefect itself never deletes one. The
sweeper deletes those that are older than KEPT_DAYS, and `make prune` calls this module for younger ones.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from orionbox.flow_settings import FlowSettings
from orionbox.orion import names
from orionbox.orion.client import Json, JsonApi, Orion, RefusedError

KEPT_DAYS = 7
"""Days for which every result stays: for so long a run that has failed can be retried from where it stopped."""
PAUSE = 3600
"""Seconds between two looks for old results."""
UNFINISHED = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")
"""All states that are not in `orionbox.orion.states.ENDED`."""
log = logging.getLogger("results")


@dataclass(frozen=True)
class StoredResult:
    """A result in a file or an object."""

    key: str
    """The name by which Orion's states refer to it."""
    size: int
    """Bytes."""
    delete: Callable[[], object]


class OldResults:
    """The results of one platform.

    Args:
        environment: the variables that say where Orion, the bucket and the files are.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.orion = Orion(environment["PREFECT_API_URL"])
        home = environment.get("PREFECT_HOME", "/var/lib/prefect")
        self.folder = Path(environment.get("PREFECT_LOCAL_STORAGE_PATH") or Path(home, "storage"))
        emulator = environment.get("STORAGE_EMULATOR_HOST", "")
        bucket = FlowSettings.from_environment(environment).bucket
        # At Google, a lifecycle rule of the bucket does this: docs/scale.md
        self.bucket = JsonApi(f"{emulator}/storage/v1/b/{bucket}") if emulator else None

    def prune(self, days: float, only_count: bool = False) -> Json:
        """Deletes results that are older than so many days, and that nothing needs.

        Needed are the results of cached tasks whose cache has not expired, and everything of runs that have not ended.

        Args:
            days: their least age.
            only_count: whether to delete nothing.

        Returns:
            How many results there were to delete, and their `bytes`.

        Raises:
            OSError: Orion or the bucket does not answer; nothing is deleted then.
        """
        found = list(self._older_than(time.time() - days * 86_400))
        if found:
            # A run that somebody deletes meanwhile moves the others to another page, where one may be overlooked
            needed = self._needed_keys() | self._needed_keys()
            found = [result for result in found if result.key not in needed]
        for result in () if only_count else found:
            result.delete()
        return {"results": len(found), "bytes": sum(result.size for result in found)}

    # --- what there is ---

    def _older_than(self, moment: float) -> Iterator[StoredResult]:
        """Yields all results that were written before a moment, in seconds since 1970."""
        for path in self.folder.rglob("*"):
            with suppress(FileNotFoundError):
                status = path.lstat()
                if path.is_file() and not path.is_symlink() and status.st_mtime < moment:
                    yield StoredResult(path.relative_to(self.folder).as_posix(), status.st_size, _remover(path))
        for item in self._objects():
            if datetime.fromisoformat(item["updated"]).timestamp() < moment:
                key = item["name"].partition("/")[2]
                yield StoredResult(key, int(item["size"]), self._object_remover(item["name"]))

    def _objects(self) -> Iterator[Json]:
        page: Json = {"nextPageToken": ""}
        while self.bucket and "nextPageToken" in page:
            token = quote(page["nextPageToken"], safe="")
            try:
                page = self.bucket.call(f"o?prefix={names.RESULTS}/&pageToken={token}") or {}
            except RefusedError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                return  # somebody has deleted the bucket
            yield from page.get("items") or []

    def _object_remover(self, name: str) -> Callable[[], object]:
        bucket = self.bucket
        assert bucket, "it has the object"
        return lambda: bucket.call(f"o/{quote(name, safe='')}", method="DELETE")

    # --- what is needed ---

    def _needed_keys(self) -> set[str]:
        now = datetime.now(UTC)
        # There may be more tasks than fit into the memory of the service
        tasks = self.orion.each_object("task_runs", task_runs={"state": {"type": {"any_": ["COMPLETED"]}}})
        cached = {_key(task) for task in tasks if _is_cached(task.get("state") or {}, now)}
        unfinished = {"state": {"type": {"any_": UNFINISHED}}}
        runs = [run["id"] for run in self.orion.each_object("flow_runs", flow_runs=unfinished)]
        return cached.union(*(self._keys_of_run(run_id) for run_id in runs)) - {""}

    def _keys_of_run(self, run_id: str) -> set[str]:
        """Returns the keys of all results of a run's tasks, and of the flows that it has called."""
        tasks = self.orion.each_object("task_runs", flow_runs={"id": {"any_": [run_id]}})
        flows = self.orion.each_object("flow_runs", flow_runs={"parent_flow_run_id": {"any_": [run_id]}})
        return {_key(run) for run in chain(tasks, flows)}


def _key(run: Json) -> str:
    """Returns the key of a run's stored result; empty if it has none."""
    data: Any = (run.get("state") or {}).get("data")
    return str(data.get("storage_key") or "") if isinstance(data, dict) else ""


def _is_cached(state: Json, now: datetime) -> bool:
    """Returns whether a later task with the same cache key gets this state's result."""
    details = state.get("state_details") or {}
    if not details.get("cache_key"):
        return False
    expiration = details.get("cache_expiration")
    return not expiration or datetime.fromisoformat(expiration) > now


def _remover(path: Path) -> Callable[[], object]:
    return lambda: path.unlink(missing_ok=True)


def prune_for_ever() -> None:
    """Deletes what is older than KEPT_DAYS, and looks again every PAUSE seconds."""
    results, last_error = OldResults(), ""
    while True:
        try:
            deleted = results.prune(KEPT_DAYS)
            if deleted["results"]:
                log.info("deleted %d results that nothing needs any more, %d bytes", *deleted.values())
        except (OSError, ValueError) as error:
            if str(error) != last_error:
                log.warning("old results stay: %s", error)
            last_error = str(error)
        time.sleep(PAUSE)


def main() -> None:
    """Prints what was deleted, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=KEPT_DAYS)
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()
    sys.stdout.write(json.dumps(OldResults().prune(arguments.days, arguments.dry_run)) + "\n")


if __name__ == "__main__":
    main()
