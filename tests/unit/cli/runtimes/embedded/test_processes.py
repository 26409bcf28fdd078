"""What the runtime without Docker can be held to without starting it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from cli.runtimes import choose
from cli.runtimes.embedded import health, processes, taxi_server, variables, virtual_environments
from cli.settings import env_file
from orionbox.errors import CommandError
from tests.conftest import ROOT


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    env = {**env_file.parse(ROOT / ".env.example"), "WAREHOUSE_DB_PASSWORD": "secret"}
    monkeypatch.setattr(env_file, "load", lambda: env)
    return env


def test_both_stand_ins_for_the_internet_say_the_same_about_a_missing_month() -> None:
    nginx = (ROOT / "services/internet/conf.d/taxi.conf").read_text()
    text = re.search(r'return 404 "(Orionbox.*)";', nginx)
    assert text
    month = {"$color": "green", "$file": "green_tripdata_2031-01.csv.gz", "$year": "2031", "$month": "1", "\\n": "\n"}
    expected = text[1]
    for variable, value in month.items():
        expected = expected.replace(variable, value)
    assert taxi_server.explain("green/green_tripdata_2031-01.csv.gz") == expected


@pytest.mark.parametrize(
    "name", ["../.env", "green/../../.env", ".part-sources.json", "green/yellow_tripdata_2021-01.csv.gz", "/healthz"]
)
def test_only_files_of_the_release_are_served(name: str) -> None:
    assert taxi_server.content_type(name) is None


def test_flows_and_bootstrap_are_told_what_compose_tells_them(env: dict[str, str]) -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose/prefect.yaml").read_text())
    flow = yaml.safe_load((ROOT / "compose/flow.yaml").read_text())["services"]["flow"]
    flows = variables.flow_settings()
    assert set(flow["environment"]) <= set(flows) | {"DASK_DISTRIBUTED__DASHBOARD__LINK"}
    assert set(compose["services"]["bootstrap"]["environment"]) <= set(flows) | set(variables.bootstrap_settings())
    told = set(flows) | set(variables.service_settings())
    # There the agent starts before the bootstrap, and waits for it; its host is this machine, whose processes are seen
    assert set(compose["services"]["agent"]["environment"]) - {"BOOTSTRAPPED", "AGENT_HOST"} <= told
    assert set(compose["services"]["sweeper"]["environment"]) - {"AGENT_HOST"} <= told


def test_every_service_has_a_health_check() -> None:
    assert set(processes.services()) == {*health.PAGES, "postgres", "agent", "sweeper"}


def test_without_a_docker_command_the_runtime_is_embedded_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    chosen, reason = choose.choose()
    assert (chosen.NAME, reason) == ("embedded", "there is no docker command")


def test_an_old_python_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 9, 18, "final", 0))
    with pytest.raises(CommandError, match=r"Python 3\.11 or newer is needed, and python3 is 3\.9"):
        virtual_environments.ensure()
