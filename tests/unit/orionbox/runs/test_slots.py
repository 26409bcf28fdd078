"""How many months a run processes at once."""

from __future__ import annotations

import pytest

from orionbox.runs.slots import MONTH_BYTES, RUN_BYTES, max_parallel_months

AMPLE = 64 << 30


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [
        (1, AMPLE, 1),
        (8, AMPLE, 8),
        (8, RUN_BYTES + 2 * MONTH_BYTES, 2),
        (8, RUN_BYTES, 1),
        (8, 1, 1),
    ],
)
def test_months_are_bounded_by_cores_and_memory_but_one_always_runs(cores: int, memory: int, expected: int) -> None:
    assert max_parallel_months(cores, memory) == expected
