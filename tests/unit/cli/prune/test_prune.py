"""`prune`, with a runtime and services that are fakes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cli.prune import prune
from cli.settings.settings import Settings
from orionbox.errors import BadInputError
from tests.unit.fake_api import FakeApi


class Runtime:
    """A running platform whose services have something to delete."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.settings, self.ran = settings, list[tuple[str, ...]]()
        self.stores = SimpleNamespace(address=lambda port: f"{url}/{port}", free_space=lambda: 5_000_000_000)

    def ensure_up(self) -> None:
        self.ran.append(("up",))

    def run_module(self, *words: str) -> str:
        self.ran.append(words)
        return f"a line of a library\n{json.dumps({'results': 12, 'bytes': 1_500_000})}\n"


def test_it_says_what_was_freed_and_what_is_kept(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def answer(path: str, body: Any) -> Any:
        asked.append(path)
        return {"files": 3, "bytes": 2_000_000} if "BIGQUERY" in path else {"objects": 1, "bytes": 500_000}

    with FakeApi(route=answer).serving() as api:
        runtime: Any = Runtime(settings, api.url)
        assert prune.prune(runtime, "2", is_dry_run=False) == 0
    assert runtime.ran == [("up",), ("sweeper", "services.agent.old_results", "--days=2")]
    assert asked == [f"/{port}_PORT/prune?days=2&dry_run=false" for port in ("BIGQUERY", "GCS")]
    said = capsys.readouterr().out
    assert "12 results" in said and "3 files" in said and "1 objects" in said
    assert "4.0 MB" in said and "free where the platform keeps its data: 5.0 GB" in said
    assert "kept: all rows, objects and runs; results of cached tasks" in said and "younger than 2 days" in said


def test_a_dry_run_asks_for_none(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def answer(path: str, body: Any) -> Any:
        asked.append(path)
        return {"bytes": 0}

    with FakeApi(route=answer).serving() as api:
        runtime: Any = Runtime(settings, api.url)
        prune.prune(runtime, "0", is_dry_run=True)
    assert runtime.ran[-1][-1] == "--dry-run" and all(path.endswith("dry_run=true") for path in asked)
    assert capsys.readouterr().out.startswith("would be freed:\n")


def test_google_s_own_stores_are_left_alone(settings: Settings) -> None:
    runtime: Any = Runtime(settings.with_values(CLOUD="gcp"), "http://127.0.0.1:1")
    assert prune.prune(runtime, "1", is_dry_run=False) == 0


@pytest.mark.parametrize("days", ["", "-1", "x", "1.5", "99999", "²"])
def test_what_is_no_number_of_days_is_refused(days: str, settings: Settings) -> None:
    runtime: Any = Runtime(settings, "http://127.0.0.1:1")
    with pytest.raises(BadInputError, match=f"DAYS={days}: not a number of days"):
        prune.prune(runtime, days, is_dry_run=False)
    assert runtime.ran == []
