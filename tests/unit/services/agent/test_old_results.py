"""Which stored results are deleted, and which something still needs."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from orionbox.orion.client import NoAnswerError, RefusedError
from services.agent.old_results import OldResults

NOW = datetime.now(UTC)
DAY = 86_400


def state(key: str, cache_key: str | None = None, expires_in: timedelta | None = None) -> dict[str, Any]:
    expiration = (NOW + expires_in).isoformat() if expires_in else None
    details = {"cache_key": cache_key, "cache_expiration": expiration}
    return {"state": {"data": {"type": "reference", "storage_key": key}, "state_details": details}}


class Orion:
    """An Orion with these completed tasks, and a run that has not ended with these tasks and called flows."""

    def __init__(self, completed: list[Any] = [], of_run: list[Any] = [], called: list[Any] = []) -> None:  # noqa: B006
        self.completed, self.of_run, self.called = completed, of_run, called
        self.asked = 0

    def each_object(self, kind: str, **chosen: Any) -> list[Any]:
        self.asked += 1
        if kind == "task_runs":
            return self.of_run if "flow_runs" in chosen else self.completed
        if "parent_flow_run_id" in chosen["flow_runs"]:
            return self.called
        assert "RUNNING" in chosen["flow_runs"]["state"]["type"]["any_"]
        return [{"id": "run"}] if self.of_run or self.called else []


class Bucket:
    """A bucket with these objects, in two pages."""

    def __init__(self, *names: str, age: float = 2 * DAY) -> None:
        updated = datetime.fromtimestamp(time.time() - age, UTC).isoformat().replace("+00:00", "Z")
        self.items = [{"name": name, "size": "7", "updated": updated} for name in names]
        self.deleted: list[str] = []

    def call(self, path: str, method: str = "") -> Any:
        if method:
            self.deleted.append(unquote(path.removeprefix("o/")))
            return None
        first = "pageToken=&" in f"{path}&"
        return {"items": self.items[:1], "nextPageToken": "p 2"} if first else {"items": self.items[1:]}


@pytest.fixture
def results(tmp_path: Path) -> Any:
    subject: Any = OldResults({"PREFECT_API_URL": "", "PREFECT_HOME": str(tmp_path)})
    subject.orion = Orion()
    for name in ("new", "old", "sub/old"):
        path = tmp_path / "storage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
        if "old" in name:
            os.utime(path, (0, time.time() - 2 * DAY))
    return subject


def left(results: Any) -> set[str]:
    return {path.relative_to(results.folder).as_posix() for path in results.folder.rglob("*") if path.is_file()}


def test_old_results_go_and_young_ones_stay(results: Any) -> None:
    assert results.prune(1) == {"results": 2, "bytes": 10}
    assert left(results) == {"new"}


def test_a_dry_run_deletes_nothing(results: Any) -> None:
    results.bucket = Bucket("task-results/b")
    assert results.prune(1, only_count=True) == {"results": 3, "bytes": 17}
    assert left(results) == {"new", "old", "sub/old"} and not results.bucket.deleted


@pytest.mark.parametrize(
    ("orion", "stays"),
    [
        (Orion([state("old", "cache", timedelta(days=1))]), True),
        (Orion([state("old", "cache")]), True),
        (Orion([state("old", "cache", timedelta(seconds=-1))]), False),
        (Orion([state("old")]), False),
        (Orion(of_run=[state("old")]), True),
        (Orion(called=[state("old")]), True),
        (Orion([{"state": None}, {"state": {"data": None}}, {}, {"state": {"data": "text"}}]), False),
    ],
)
def test_what_a_cached_task_or_an_unfinished_run_needs_stays(orion: Orion, stays: bool, results: Any) -> None:
    results.orion = orion
    results.prune(0.5)
    assert left(results) == ({"new", "old"} if stays else {"new"})


def test_orion_is_not_asked_when_nothing_is_old(results: Any) -> None:
    assert results.prune(7) == {"results": 0, "bytes": 0}
    assert results.orion.asked == 0


def test_objects_of_results_in_the_bucket_go_too(results: Any) -> None:
    results.bucket = Bucket("task-results/cached", "task-results/a b", "task-results/c")
    results.orion = Orion([state("cached", "cache")])
    results.prune(1)
    assert results.bucket.deleted == ["task-results/a b", "task-results/c"]
    results.bucket = Bucket("task-results/young", age=60)
    results.prune(1)
    assert results.bucket.deleted == []


def test_without_an_answer_nothing_is_deleted(results: Any) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise NoAnswerError("silence")

    results.orion.each_object = fail
    with pytest.raises(OSError):
        results.prune(1)
    assert left(results) == {"new", "old", "sub/old"}


def test_a_bucket_that_somebody_has_deleted_has_no_results(results: Any) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise RefusedError("no such bucket", status=404)

    results.bucket = Bucket()
    results.bucket.call = missing
    assert results.prune(1) == {"results": 2, "bytes": 10}


def test_a_link_is_not_followed(results: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"x")
    os.utime(tmp_path / "mine", (0, 0))
    (results.folder / "link").symlink_to(tmp_path / "mine")
    os.utime(results.folder / "link", (0, 0), follow_symlinks=False)
    results.prune(1)
    assert (tmp_path / "mine").exists() and (results.folder / "link").is_symlink()
