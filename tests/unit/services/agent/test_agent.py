"""What our agent adds to Prefect's, with a stand-in for that one; tests/integration/prefect2 has the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.agent.agent import read_queues_with_each_poll


class Queue:
    """A queue that a student has paused."""

    is_paused = True


class Agent:
    """An agent that remembers for long what it has read, as Prefect's does."""

    def __init__(self) -> None:
        self._work_queue_cache: list[Queue] = []
        self._work_queue_cache_expiration: float | None = None
        self.reads = 0

    async def get_work_queues(self) -> AsyncIterator[Queue]:
        if self._work_queue_cache_expiration is None:
            self.reads += 1
            self._work_queue_cache_expiration = 30
            self._work_queue_cache = [Queue()] if self.reads > 2 else []
        for queue in self._work_queue_cache:
            yield queue


@pytest.mark.parametrize(("is_ours", "found"), [(False, [0, 0, 0, 0]), (True, [0, 0, 1, 1])], ids=["Prefect's", "ours"])
def test_a_queue_that_could_not_be_read_is_read_with_the_next_poll(is_ours: bool, found: list[int]) -> None:
    kind = type("Agent", (Agent,), {})
    if is_ours:
        read_queues_with_each_poll(kind)
    agent = kind()

    async def poll() -> list[int]:
        return [len([queue async for queue in agent.get_work_queues()]) for _ in found]

    assert asyncio.run(poll()) == found
    assert agent.reads == (4 if is_ours else 1)


def test_orion_is_asked_for_the_runs_of_a_paused_queue_too() -> None:
    kind = type("Agent", (Agent,), {})
    read_queues_with_each_poll(kind)
    agent = kind()
    agent.reads = 2

    async def poll() -> list[bool]:
        return [queue.is_paused async for queue in agent.get_work_queues()]

    assert asyncio.run(poll()) == [False]
