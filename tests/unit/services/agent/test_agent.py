"""The agent's queue, read from an Orion that is away at times, and when the agent counts as healthy."""

from __future__ import annotations

import asyncio
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.agent import health
from services.agent.agent import keep_looking

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what Prefect imports
    from prefect.agent import PrefectAgent

pytestmark = pytest.mark.filterwarnings(r"ignore:prefect\..* has been deprecated")


class Queue:
    """What Orion tells of one."""

    name = "default"


class Orion:
    """A client of an Orion that refuses the first requests."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.reads = 0

    async def read_work_queue_by_name(self, **names: Any) -> Queue:
        self.reads += 1
        if self.reads <= self.refusals:
            raise ConnectionError("refused")
        return Queue()

    async def create_work_queue(self, **names: Any) -> Queue:
        raise ConnectionError("refused, too")


def polls(agent: PrefectAgent, orion: Orion, number: int) -> list[int]:
    """How many queues the agent finds, each time it looks."""
    agent.client = orion

    async def look() -> list[int]:
        return [len([queue async for queue in agent.get_work_queues()]) for _ in range(number)]

    return asyncio.run(look())


@pytest.fixture
def patient_agent() -> type[PrefectAgent]:
    """The class that the agent runs, apart from everyone else's."""
    agent = type("Agent", (PrefectAgent,), {})
    keep_looking(agent)
    return agent


def test_a_queue_that_could_not_be_read_is_read_with_the_next_poll(patient_agent: type[PrefectAgent]) -> None:
    orion = Orion(refusals=2)
    assert polls(patient_agent(work_queues=["default"]), orion, 5) == [0, 0, 1, 1, 1]
    assert orion.reads == 3, "what was read is remembered"


def test_prefect_s_own_agent_would_wait() -> None:
    assert polls(PrefectAgent(work_queues=["default"]), Orion(refusals=1), 3) == [0, 0, 0]


@pytest.mark.parametrize(
    ("started", "polled", "healthy"),
    [
        (-600, -1, True),
        (-600, -20, False),
        (-2, -4, False),  # that was the agent before
        (3600, -1, True),  # the clock was put back by an hour since
        (3600, -20, False),
    ],
)
def test_the_agent_is_healthy_if_it_is_the_one_that_polls(started: int, polled: int, healthy: bool) -> None:
    now = datetime.now(UTC)
    moments = (now + timedelta(seconds=seconds) for seconds in (started, polled, 0))
    assert health.polls(*moments) is healthy
