"""Injects two of the faults of `make chaos` with small months."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from dev.chaos.__main__ import all_faults
from dev.chaos.containers import Containers
from dev.chaos.experiment import Experiment
from dev.chaos.fault import select
from dev.chaos.months import ServedMonths
from dev.throwaway_platform import ThrowawayPlatform, clean_environment
from tests.conftest import Checkout

SIZES = (110_000, 120_000)
FAULTS = ("kill-gcs@write", "kill-run@load")


@pytest.fixture(scope="module")
def experiment(platform: Checkout) -> Iterator[Experiment]:
    """A platform with small months, loaded once."""
    own = ThrowawayPlatform(platform.root, {**clean_environment(), **platform.settings, **platform.env})
    with closing(Containers(own, own.image("flows"))) as containers:
        with closing(Experiment(own, containers, ServedMonths(containers, SIZES))) as experiment:
            experiment.check_without_fault()
            yield experiment


@pytest.mark.parametrize("fault", FAULTS)
def test_the_platform_survives_the_fault(experiment: Experiment, fault: str) -> None:
    (found,) = select(all_faults(), fault)
    result = found.run(experiment)
    assert result.survived, result.line()
