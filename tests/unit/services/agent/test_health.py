"""When the agent counts as healthy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orionbox.orion.client import NoAnswerError
from services.agent import health
from services.agent.lock import RunningAgent
from tests.unit.fake_api import FakeApi, close_connection

NOW = datetime.now(UTC)


def now() -> str:
    return datetime.now(UTC).isoformat()


@pytest.mark.parametrize(
    ("started", "polled", "healthy"),
    [
        (-600, -1, True),
        (-600, -20, False),
        (-2, -4, False),  # that was the agent before
        (3600, -1, True),  # the clock was set back by an hour since
        (3600, -20, False),
    ],
)
def test_the_agent_is_healthy_if_it_is_the_one_that_polls(started: int, polled: int, healthy: bool) -> None:
    moments = (NOW + timedelta(seconds=seconds) for seconds in (started, polled, 0))
    assert health.is_healthy(*moments) is healthy


@pytest.mark.parametrize(
    ("has_polled", "is_running", "exit_code"),
    [(True, True, 0), (True, False, 1), (False, True, 1)],
    ids=["polls", "no agent", "no poll yet"],
)
def test_the_check_asks_orion_and_the_lock(
    monkeypatch: pytest.MonkeyPatch, has_polled: bool, is_running: bool, exit_code: int
) -> None:
    agent = RunningAgent(NOW - timedelta(hours=1), "agent") if is_running else None
    monkeypatch.setenv("AGENT_LOCK", "lock")
    monkeypatch.setattr(health, "running_agent", {Path("lock"): agent}.get)
    with FakeApi(route=lambda path, body: {"last_polled": now() if has_polled else None}).serving() as api:
        monkeypatch.setenv("PREFECT_API_URL", f"{api.url}/api")
        assert health.main() == exit_code
    assert api.requests == [("GET", "/api/work_queues/name/default", None)]


def test_the_check_fails_at_once_without_orion(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [close_connection]
    with FakeApi(answers).serving() as api:
        monkeypatch.setenv("PREFECT_API_URL", f"{api.url}/api")
        with pytest.raises(NoAnswerError):
            health.main()
    assert len(api.requests) == 1
