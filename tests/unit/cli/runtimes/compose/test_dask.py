"""Where the main job runs, as ENGINE says."""

from __future__ import annotations

import os

import pytest

from cli.runtimes.compose import dask, optional_services
from cli.runtimes.embedded import unsupported
from orionbox.errors import BadInputError


def test_a_new_platform_runs_on_threads_and_has_no_cluster(settings: dict[str, str]) -> None:
    optional_services.choose_profiles([dask.CLUSTER])
    assert dask.deployment("docker") == "docker"
    assert os.environ["COMPOSE_PROFILES"] == ""


def test_a_cluster_of_its_own_is_a_part_of_the_platform(settings: dict[str, str]) -> None:
    settings["ENGINE"] = "dask"
    optional_services.choose_profiles([dask.CLUSTER])
    assert dask.deployment("docker") == "dask"
    assert os.environ["COMPOSE_PROFILES"] == "dask"


def test_a_cluster_elsewhere_is_not(settings: dict[str, str]) -> None:
    settings |= {"ENGINE": "dask", "DASK_SCHEDULER_ADDRESS": "tcp://10.0.0.5:8786"}
    optional_services.choose_profiles([dask.CLUSTER])
    assert dask.deployment("docker") == "dask"
    assert os.environ["COMPOSE_PROFILES"] == ""


def test_without_docker_there_is_no_cluster(settings: dict[str, str]) -> None:
    unsupported.refuse_cluster("embedded")
    settings["ENGINE"] = "dask"
    with pytest.raises(BadInputError, match="needs Docker, and this is RUNTIME=embedded; use ENGINE=threads"):
        unsupported.refuse_cluster("embedded")


def test_the_example_s_scheduler_is_the_platform_s_own(settings: dict[str, str]) -> None:
    assert settings["DASK_SCHEDULER_ADDRESS"] == dask.OWN_ADDRESS
