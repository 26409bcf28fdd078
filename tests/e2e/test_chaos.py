"""Some of the faults of `make chaos`, in small: the platform still holds, and what strikes it still hits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from dev.chaos.__main__ import all_faults
from dev.chaos.engine import Containers
from dev.chaos.fault import chosen
from dev.chaos.fault_run import Trial
from dev.chaos.months import Shelf
from dev.throwaway_platform import OwnPlatform, plain_environment
from tests.conftest import Checkout

SIZES = (110_000, 120_000)
FAULTS = ("kill-gcs@write", "kill-run@load")


@pytest.fixture(scope="module")
def trial(platform: Checkout) -> Iterator[Trial]:
    """Months of small sizes, moved once."""
    platform.make("up")
    own = OwnPlatform(platform.root, {**plain_environment(), **platform.settings, **platform.env})
    with closing(Containers(own, own.image("flows"))) as containers:
        with closing(Trial(own, containers, Shelf(containers, SIZES))) as trial:
            trial.first()
            yield trial


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_strikes_and_the_platform_holds(trial: Trial, fault: str) -> None:
    (wanted,) = chosen(all_faults(), fault)
    outcome = wanted.outcome(trial)
    assert outcome.held, outcome.line()
