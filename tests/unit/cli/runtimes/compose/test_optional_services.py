"""Which optional services a platform has, as its settings say."""

from __future__ import annotations

import pytest

from cli.runtimes.compose import optional_services
from cli.runtimes.compose.compose import Compose
from cli.runtimes.compose.optional_services import DASK, EMULATORS, OWN_SCHEDULER
from cli.settings.settings import Settings


def test_a_new_platform_runs_on_threads_with_the_emulators_alone(settings: Settings) -> None:
    assert optional_services.profiles(settings) == []
    assert EMULATORS.is_enabled(settings) and not EMULATORS.is_enabled(settings.with_values(CLOUD="gcp"))


def test_the_platform_s_own_cluster_is_part_of_it(settings: Settings) -> None:
    assert optional_services.profiles(settings.with_values(TASK_RUNNER="dask")) == ["dask"]


def test_a_cluster_elsewhere_does_not(settings: Settings) -> None:
    elsewhere = settings.with_values(TASK_RUNNER="dask", DASK_SCHEDULER_ADDRESS="tcp://10.0.0.5:8786")
    assert optional_services.profiles(elsewhere) == []


def test_the_example_s_scheduler_is_the_platform_s_own(settings: Settings) -> None:
    assert settings["DASK_SCHEDULER_ADDRESS"] == OWN_SCHEDULER


@pytest.mark.parametrize(("address", "profiles"), [("127.0.0.1", []), ("127.0.0.2", []), ("0.0.0.0", ["gateway"])])
def test_beyond_loopback_there_is_a_gateway(settings: Settings, address: str, profiles: list[str]) -> None:
    assert optional_services.profiles(settings.with_values(BIND_ADDRESS=address)) == profiles


def test_compose_gets_all_settings_and_only_the_platform_s_profiles(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_PROFILES", "somebody-else-s")
    env = Compose(settings.with_values(TASK_RUNNER="dask", BIND_ADDRESS="0.0.0.0")).environment()
    assert env["COMPOSE_PROFILES"] == "dask,gateway" and env["ORION_PORT"] == "4200"
    assert Compose(settings).environment()["COMPOSE_PROFILES"] == ""


def test_services_are_running_when_one_of_them_is() -> None:
    assert DASK.is_running({"orion", "dask-worker"}) and not DASK.is_running({"orion"})
