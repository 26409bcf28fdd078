"""The compose runtime, as far as it needs no engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cli.runtimes import ports
from cli.runtimes.compose import containers
from cli.runtimes.compose.containers import Container
from cli.runtimes.compose.optional_services import GATEWAY
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.settings.settings import Settings
from orionbox.errors import CommandError


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The ports that are looked for, filled while a test is running."""
    asked: list[str] = []

    def choose(preferred: Mapping[str, int], file: Path, addresses: Mapping[str, str]) -> dict[str, int]:
        asked[:] = preferred
        assert set(addresses) == set(GATEWAY.ports)
        return {name: port + 1 for name, port in preferred.items()}

    monkeypatch.setattr(ports, "choose", choose)
    monkeypatch.setattr(ports, "FOLDER", tmp_path)
    return asked


def settle(settings: Settings, monkeypatch: pytest.MonkeyPatch, running: set[str]) -> ComposeRuntime:
    monkeypatch.setattr(containers, "running", lambda platform: running)
    runtime = ComposeRuntime(settings)
    runtime.choose_ports()
    return runtime


def test_only_enabled_services_that_are_not_running_get_a_port(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, chosen: list[str]
) -> None:
    runtime = settle(settings, monkeypatch, running=set())
    assert {"ORION_PORT", "GCS_PORT"} <= set(chosen) and not {*GATEWAY.ports, "DASK_PORT"} & set(chosen)
    assert runtime.settings["ORION_PORT"] == "4201" and runtime.compose.environment()["ORION_PORT"] == "4201"
    opened = settings.with_values(BIND_ADDRESS="0.0.0.0")
    settle(opened, monkeypatch, running=set())
    assert {"ORION_PORT", *GATEWAY.ports} <= set(chosen)
    settle(opened, monkeypatch, running={"orion", "gcs"})
    assert set(chosen) == set(GATEWAY.ports)
    chosen.clear()
    settle(opened, monkeypatch, running={"orion", "gcs", "gateway"})
    assert chosen == []


def test_a_platform_is_up_when_every_service_is_healthy_in_every_container(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = ComposeRuntime(settings)
    services = {"orion": {"healthcheck": {}}, "worker": {"healthcheck": {}, "deploy": {"replicas": 2}}, "bootstrap": {}}
    monkeypatch.setattr(type(runtime.compose), "services", lambda self, *options: services)
    found = [Container(name, f"{name}-1", "running", "Up (healthy)", name) for name in ("orion", "worker", "worker")]
    monkeypatch.setattr(containers, "list_services", lambda platform: found)
    assert runtime.is_up()
    found.pop()
    assert not runtime.is_up()


def test_a_container_of_a_run_that_is_being_removed_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    left, removals = [["c1", "c2"], ["c1"], []], 0

    def output(*command: str) -> str:
        nonlocal removals
        if "ps" in command:
            return "\n".join(left.pop(0))
        removals += 1
        raise CommandError("removal of container c1 is already in progress")

    monkeypatch.setattr(containers, "output", output)
    containers.remove_runs("orionbox")
    assert (left, removals) == ([], 2)


def test_a_container_of_a_run_that_cannot_be_removed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def output(*command: str) -> str:
        if "ps" in command:
            return "c1"
        raise CommandError("permission denied")

    monkeypatch.setattr(containers, "output", output)
    monkeypatch.setattr(containers, "REMOVAL_TIMEOUT", 0)
    with pytest.raises(CommandError, match="permission denied"):
        containers.remove_runs("orionbox")


def test_logs_in_a_pipe_have_no_escape_sequences(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = ComposeRuntime(settings)
    printed = "\x1b[2Kgcs-1  | listening\n\x1b[2Kgcs-1  | ready\n"
    monkeypatch.setattr(type(runtime.compose), "output", lambda self, *arguments: printed)
    assert runtime.show_logs(["gcs"], 2, follow=False) == 0
    assert capsys.readouterr().out == "gcs-1  | listening\ngcs-1  | ready\n"
