"""Where the main job runs, as ENGINE says."""

from __future__ import annotations

import os

import pytest

from ctl import engines, extras
from orionbox.errors import BadInputError


def test_a_new_platform_runs_on_threads_and_has_no_cluster(settings: dict[str, str]) -> None:
    extras.choose_profiles([engines.CLUSTER])
    assert engines.deployment("docker") == "docker"
    assert os.environ["COMPOSE_PROFILES"] == ""


def test_a_cluster_of_its_own_is_a_part_of_the_platform(settings: dict[str, str]) -> None:
    settings["ENGINE"] = "dask"
    extras.choose_profiles([engines.CLUSTER])
    assert engines.deployment("docker") == "dask"
    assert os.environ["COMPOSE_PROFILES"] == "dask"


def test_a_cluster_elsewhere_is_not(settings: dict[str, str]) -> None:
    settings |= {"ENGINE": "dask", "DASK_SCHEDULER_ADDRESS": "tcp://10.0.0.5:8786"}
    extras.choose_profiles([engines.CLUSTER])
    assert engines.deployment("docker") == "dask"
    assert os.environ["COMPOSE_PROFILES"] == ""


def test_without_docker_there_is_no_cluster(settings: dict[str, str]) -> None:
    engines.refuse_cluster("embedded")
    settings["ENGINE"] = "dask"
    with pytest.raises(BadInputError, match="needs Docker, and this is RUNTIME=embedded; use ENGINE=threads"):
        engines.refuse_cluster("embedded")


def test_the_example_s_scheduler_is_the_platform_s_own(settings: dict[str, str]) -> None:
    assert settings["DASK_SCHEDULER_ADDRESS"] == engines.OWN_ADDRESS
