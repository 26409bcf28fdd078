"""The compose runtime, as far as it needs no engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.runtimes import folders, ownership, ports
from cli.runtimes.compose import containers, images, readiness
from cli.runtimes.compose.compose import Compose
from cli.runtimes.compose.containers import Container
from cli.runtimes.compose.optional_services import GATEWAY, SERVICE_OF_PORT
from cli.runtimes.compose.runtime import ComposeRuntime
from cli.settings.settings import Settings
from orionbox.errors import CommandError

SERVICES = (*sorted({*SERVICE_OF_PORT.values()} - {"gateway", "dask-scheduler"}), "worker", "worker")


def on(service: str, ports: str, state: str = "running") -> Container:
    """A container, healthy if it is running, with the ports that Docker publishes for it."""
    status = "Up (healthy)" if state == "running" else "Created"
    return Container(service, f"{service}-1", state, status, service, ports)


ORION, EMULATOR = on("orion", "127.0.0.1:4200->4200/tcp"), on("gcs", "127.0.0.1:4443->4443/tcp")
GATEWAY_OPEN = on("gateway", "0.0.0.0:8443-8444->8443-8444/tcp")


class Docker:
    """An engine with these containers, whose `compose up` gives the next of these exit codes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.found, self.codes, self.refused = list[Container](), [0], list[set[int]]()
        self.missing, self.given = list[set[str]](), list[str]()
        self._choose = ports.choose
        monkeypatch.setattr(ports, "FOLDER", tmp_path)
        monkeypatch.setattr(ports, "find_obstacle", lambda port, address: "")
        monkeypatch.setattr(ports.Reservations, "add", lambda self, port: True)
        monkeypatch.setattr(ports, "choose", self.choose)
        monkeypatch.setattr(containers, "list_services", lambda platform: self.found)
        monkeypatch.setattr(containers, "refused_ports", lambda platform: self.refused.pop(0))
        monkeypatch.setattr(Compose, "run", self.run)

    def choose(self, preferred: Mapping[str, int], *arguments: Any, **options: Any) -> dict[str, int]:
        self.missing.append(set(options["names"]))
        return self._choose(preferred, *arguments, **options)

    def run(self, *arguments: str) -> int:
        return self.codes.pop(0)


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Docker:
    return Docker(monkeypatch, tmp_path)


def test_only_enabled_services_that_are_not_running_get_a_port(settings: Settings, docker: Docker) -> None:
    def missing(settings: Settings, *found: Container) -> set[str]:
        docker.found, docker.codes = list(found), [0]
        ComposeRuntime(settings).compose_up()
        return docker.missing.pop()

    everything = set(settings.ports) - {*GATEWAY.ports, "DASK_PORT"}
    assert missing(settings) == everything
    assert missing(settings, ORION, EMULATOR) == everything - {"ORION_PORT", "GCS_PORT"}
    assert missing(settings, on("orion", "", "created"), EMULATOR) == everything - {"GCS_PORT"}
    opened = settings.with_values(BIND_ADDRESS="0.0.0.0")
    assert missing(opened, ORION) == {*everything, *GATEWAY.ports} - {"ORION_PORT"}
    assert missing(opened, ORION, GATEWAY_OPEN) == everything - {"ORION_PORT"}


def test_a_service_on_another_port_than_the_settings_say_is_not_running(settings: Settings, docker: Docker) -> None:
    docker.found = [on("orion", "127.0.0.1:4205->4200/tcp")]
    ComposeRuntime(settings).compose_up()
    assert "ORION_PORT" in docker.missing[0]


def test_a_service_is_not_reached_on_the_port_of_another_one(settings: Settings, docker: Docker) -> None:
    docker.found = [on("bigquery", "127.0.0.1:9050->9050/tcp, 127.0.0.1:9060->9060/tcp"), EMULATOR]
    ComposeRuntime(settings.with_values(GCS_PORT="9050")).compose_up()
    assert "GCS_PORT" in docker.missing[0]


def test_a_port_typed_for_one_start_moves_no_other_service_for_good(settings: Settings, docker: Docker) -> None:
    docker.codes, once = [0, 0], ComposeRuntime(settings.with_values(GCS_PORT="9050"))
    once.compose_up()
    assert (once.settings["GCS_PORT"], once.settings["BIGQUERY_PORT"]) == ("9050", "9051")
    again = ComposeRuntime(settings)
    assert again.settings["BIGQUERY_PORT"] == "9050"
    again.compose_up()
    assert (again.settings["GCS_PORT"], again.settings["BIGQUERY_PORT"]) == ("4443", "9050")


def test_a_start_that_docker_refuses_a_port_is_repeated_with_another_one(
    settings: Settings, docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.codes, docker.refused = [1, 1, 0], [{4200}, {4201, 80}]
    runtime = ComposeRuntime(settings)
    runtime.compose_up()
    assert runtime.settings["ORION_PORT"] == "4202" and runtime.settings["GCS_PORT"] == "4443"
    assert ComposeRuntime(settings).settings["ORION_PORT"] == "4202"
    assert "ORION_PORT=4200 is in use on this machine: this platform takes 4202" in capsys.readouterr().out


@pytest.mark.parametrize("refused", [set(), {80}])
def test_a_start_that_fails_for_another_reason_is_not_repeated(
    refused: set[int], settings: Settings, docker: Docker
) -> None:
    docker.codes, docker.refused = [1], [refused]
    with pytest.raises(CommandError, match="the platform did not start"):
        ComposeRuntime(settings).compose_up()


def test_a_start_that_docker_refuses_a_port_each_time_ends(settings: Settings, docker: Docker) -> None:
    docker.codes, docker.refused = [1] * ports.START_TRIES, [{4200 + number} for number in range(ports.START_TRIES)]
    with pytest.raises(CommandError, match="the platform did not start"):
        ComposeRuntime(settings).compose_up()
    assert docker.codes == []


@pytest.mark.parametrize(
    "error, ports",
    [
        (
            "driver failed programming external connectivity on endpoint mybox-orion-1 (0123): Error starting userland "
            "proxy: listen tcp4 127.0.0.1:4205: bind: address already in use",
            {4205},
        ),
        ("... on endpoint mybox-pgadmin-1 (0123): Bind for 127.0.0.1:8080 failed: port is already allocated", {8080}),
        ("failed to bind host port for 192.0.2.7:8443:172.18.0.2:8443/tcp: address already in use", {8443}),
        ("failed to bind host port 0.0.0.0:8443/tcp: address already in use", {8443}),
        (
            "Ports are not available: exposing port TCP 127.0.0.1:4200 -> 0.0.0.0:0: listen tcp 127.0.0.1:4200: bind: "
            "address already in use",
            {4200},
        ),
        ("OCI runtime create failed: exec: no such file at 127.0.0.1:4200", set()),
        ("", set()),
    ],
)
def test_docker_s_words_tell_which_port_it_refused(
    error: str, ports: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "list_services", lambda platform: [ORION, on("pgadmin", "", "created")])
    monkeypatch.setattr(containers, "output", lambda *command: f"{error}\n" if command[-1] == "pgadmin-1" else "")
    assert containers.refused_ports("orionbox") == ports


def test_a_platform_is_up_when_every_service_is_healthy_in_every_container(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = ComposeRuntime(settings)
    services = {"orion": {"healthcheck": {}}, "worker": {"healthcheck": {}, "deploy": {"replicas": 2}}, "bootstrap": {}}
    published = ", ".join(f"127.0.0.1:{port}->1/tcp" for port in settings.ports.values())
    monkeypatch.setattr(type(runtime.compose), "services", lambda self, *options: services)
    found = [Container(name, f"{name}-1", "running", "Up (healthy)", name, published) for name in SERVICES]
    monkeypatch.setattr(containers, "list_services", lambda platform: found)
    assert runtime.is_up()
    assert not ComposeRuntime(settings.with_values(ORION_PORT="4300")).is_up()
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


def test_logs_have_no_escape_sequences(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = ComposeRuntime(settings)
    command = ["printf", "\\033[2Kgcs-1  | listening\\n\\033[2Kagent-1  | \\033]0;title\\007\\n"]
    monkeypatch.setattr(type(runtime.compose), "command", lambda self, *arguments: command)
    assert runtime.show_logs(["gcs"], 2, follow=False) == 0
    assert capsys.readouterr().out == "gcs-1  | listening\nagent-1  | \\x1b]0;title\\x07\n"


def test_the_containers_of_a_moved_checkout_are_started_again_before_a_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, started = ComposeRuntime(settings), list[object]()
    for name, answer in {"prepare": None, "is_up": True}.items():
        monkeypatch.setattr(ComposeRuntime, name, lambda self, answer=answer: answer)
    monkeypatch.setattr(ComposeRuntime, "_start", lambda self, optional: started.append(optional))
    monkeypatch.setattr(images, "ensure", lambda compose: False)
    monkeypatch.setattr(folders, "make_readable", lambda: None)
    for was_moved in (False, True):
        monkeypatch.setattr(ownership, "claim", lambda settings, moved=was_moved: moved)
        runtime.ensure_up()
        assert bool(started) == was_moved


@pytest.mark.parametrize("has_platform", [False, True])
def test_a_platform_that_is_not_there_is_neither_stopped_nor_deleted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, has_platform: bool
) -> None:
    """Another checkout may start one of that name at this moment."""
    calls = list[str]()
    monkeypatch.setattr(ComposeRuntime, "prepare", lambda self: None)
    monkeypatch.setattr(ComposeRuntime, "_compose_down", lambda self, *command: calls.append(command[0]))
    monkeypatch.setattr(containers, "remove_runs", lambda platform: calls.append("remove_runs"))
    monkeypatch.setattr(ownership, "require", lambda settings: has_platform)
    monkeypatch.setattr(ownership, "release", lambda settings: calls.append("release"))
    ComposeRuntime(settings).down()
    ComposeRuntime(settings).reset()
    assert calls == ["remove_runs", "down", "remove_runs", "down", "release"] * has_platform


@pytest.mark.parametrize(
    ("found", "internet", "words"),
    [
        ({}, "offline", ""),
        ({"orionbox": True, "orionbox_pages": False}, "offline", ""),
        ({"orionbox": False}, "offline", "the platform's networks lead nowhere now"),
        ({"orionbox": True, "orionbox_pages": False}, "real", "the platform's networks lead outside now"),
        ({"orionbox": False, "orionbox_pages": False, "orionbox_mine": True}, "real", ""),
    ],
)
def test_networks_that_the_settings_have_changed_are_made_anew(
    found: dict[str, bool],
    internet: str,
    words: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = {"orionbox": internet == "offline", "orionbox_pages": False}
    ended, calls = list[str](), list[tuple[str, ...]]()

    def run(compose: Compose, *arguments: str) -> int:
        calls.append(arguments)
        return 0

    monkeypatch.setattr(Compose, "networks", lambda self: wanted)
    monkeypatch.setattr(Compose, "run", run)
    monkeypatch.setattr(containers, "list_networks", lambda platform: found)
    monkeypatch.setattr(containers, "remove_runs", ended.append)
    ComposeRuntime(settings.with_values(INTERNET=internet))._remove_changed_networks()
    assert words in capsys.readouterr().out
    assert (len(ended), len(calls)) == ((1, 1) if words else (0, 0))
    assert not calls or calls[0][-2:] == ("down", "--remove-orphans") and "--volumes" not in calls[0]


@pytest.mark.parametrize("state", ["running", "exited"])
def test_the_stores_are_started_alone_and_only_if_they_do_not_run(
    state: str, settings: Settings, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup needs no agent and no page."""
    done: list[tuple[str, ...]] = []
    for name in ("prepare", "claim", "ensure_keys"):
        monkeypatch.setattr(ComposeRuntime, name, lambda self: False)
    monkeypatch.setattr(images, "ensure", lambda compose, *only: done.append(("build", *only)))
    monkeypatch.setattr(ComposeRuntime, "compose_up", lambda self, *only: done.append(("up", *only)))
    monkeypatch.setattr(readiness, "wait_until_usable", lambda *arguments: done.append(("wait", *arguments[3])))
    docker.found = [EMULATOR, on("bigquery", ""), on("agent", "", "exited"), on("postgres", "", state)]
    ComposeRuntime(settings).ensure_stores()
    names = ("postgres", "gcs", "bigquery")
    assert done == ([] if state == "running" else [(step, *names) for step in ("build", "up", "wait")])
