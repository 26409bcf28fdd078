"""The queue of Prefect's agent, read from an Orion that does not answer at times."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest

from services.agent.agent import read_queues_with_each_poll

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what Prefect imports
    from prefect.agent import PrefectAgent

pytestmark = pytest.mark.filterwarnings(r"ignore:prefect\..* has been deprecated")


class Queue:
    """A queue as Orion describes it."""

    name = "default"
    is_paused = True


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


def queues_found(agent: PrefectAgent, orion: Orion, polls: int) -> list[int]:
    """How many queues the agent finds, poll by poll."""
    agent.client = orion

    async def poll() -> list[int]:
        return [len([queue async for queue in agent.get_work_queues()]) for _ in range(polls)]

    return asyncio.run(poll())


@pytest.fixture
def our_agent() -> type[PrefectAgent]:
    """The class that the agent runs, apart from everyone else's."""
    agent = type("Agent", (PrefectAgent,), {})
    read_queues_with_each_poll(agent)
    return agent


def test_a_queue_that_could_not_be_read_is_read_with_the_next_poll(our_agent: type[PrefectAgent]) -> None:
    orion = Orion(refusals=2)
    assert queues_found(our_agent(work_queues=["default"]), orion, 5) == [0, 0, 1, 1, 1]
    assert orion.reads == 5, "a queue may have been deleted meanwhile"


def test_prefect_s_own_agent_would_wait() -> None:
    assert queues_found(PrefectAgent(work_queues=["default"]), Orion(refusals=1), 3) == [0, 0, 0]
