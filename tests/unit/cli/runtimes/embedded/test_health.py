"""When a start has succeeded, when it has failed, and what it says meanwhile."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest

from cli import waiting
from cli.runtimes import start_up
from cli.runtimes.embedded import health, logs, processes, service_lock, variables
from cli.runtimes.embedded.bootstrap import Bootstrap
from cli.runtimes.failures import StartError
from cli.settings.settings import Settings
from orionbox.errors import CommandError
from orionbox.services import BY_NAME


class FakeServices:
    """Services that become healthy at the look that is given for each."""

    def __init__(self, **looks: int) -> None:
        self.looks, self.running = looks, True

    def is_healthy(self, settings: Settings, name: str) -> bool:
        self.looks[name] -= 1
        return self.looks[name] <= 0

    def is_running(self, settings: Settings, name: str) -> bool:
        return self.running


class FakeBootstrap:
    """A bootstrap that has ended."""

    def __init__(self, has_succeeded: bool) -> None:
        self.has_succeeded, self.has_failed = has_succeeded, not has_succeeded
        self.waiting: list[list[str]] = []

    def start_unless(self, waiting: list[str]) -> None:
        self.waiting.append(waiting)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeServices:
    fake = FakeServices(orion=3, gcs=1, agent=2)
    monkeypatch.setattr(health.Readiness, "pause", 0)
    monkeypatch.setattr(health, "is_healthy", fake.is_healthy)
    monkeypatch.setattr(processes, "is_running", fake.is_running)
    return fake


@pytest.fixture
def log(embedded: Settings) -> Iterator[object]:
    """The supervisor's log."""
    logs.log_file(embedded, "orion").write_text("".join(f"line {number}\n" for number in range(99)) + "port in use\n")
    with logs.log_file(embedded, processes.SUPERVISOR).open("w", buffering=1) as file:
        yield file


def begun(settings: Settings, *names: str, bootstrap: object = None) -> health.Readiness:
    return health.Readiness(settings, names, cast("Bootstrap | None", bootstrap))


def test_it_names_each_service_when_it_becomes_ready(
    embedded: Settings, fake: FakeServices, log: object, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(embedded, "orion", "gcs", "agent", bootstrap=FakeBootstrap(True)).wait()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" after ")[0].split() for line in lines] == [
        ["gcs", "ready"],
        ["bootstrap", "done"],
        ["orion", "ready"],
        ["agent", "ready"],
    ]


def test_it_prints_the_services_that_are_not_ready(
    embedded: Settings,
    fake: FakeServices,
    log: object,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(start_up, "CHECK_SECONDS", -1)
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0)
    begun(embedded, "orion").wait()
    assert capsys.readouterr().out.splitlines()[0] == "  waiting for orion (0 s)"


def test_a_service_that_exits_three_times_ends_the_start_with_the_end_of_its_log(
    embedded: Settings, fake: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.log_file(embedded, "orion").write_text("once upon a time\n" * 99 + "port in use\n")
    log = logs.log_file(embedded, processes.SUPERVISOR)
    log.write_text("WARN exited: orion (exit status 1; not expected)\n")
    start = begun(embedded, "orion")
    fake.looks["orion"] = 10_000
    crashes = iter(range(3))

    def crash(seconds: float) -> None:
        next(crashes)
        with log.open("a") as file:
            file.write("WARN exited: orion (exit status 1; not expected)\n")

    monkeypatch.setattr("time.sleep", crash)
    monkeypatch.setattr(processes, "seconds_since_start", lambda settings, name: 1)
    monkeypatch.setattr(health, "complaint", lambda settings, name: "no answer")
    with pytest.raises(
        CommandError,
        match=r"orion \(starting, exited 3 times, at last with exit status 1\):\n(    once upon a time\n){14}",
    ) as error:
        start.wait()
    assert (
        error.value.text.endswith("    port in use\n    health check: no answer")
        and error.value.fix == "see more with: make logs SERVICE=orion"
    )


def test_a_start_in_which_nothing_moves_says_what_each_log_and_health_check_says(
    embedded: Settings, fake: FakeServices, log: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_up, "CHECK_SECONDS", -1)
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0)
    monkeypatch.setattr(start_up, "LIMIT", -1)
    monkeypatch.setattr(processes, "seconds_since_start", lambda settings, name: health.START_GRACE_SECONDS)
    monkeypatch.setattr(health, "complaint", lambda settings, name: "127.0.0.1:5432 - rejecting connections")
    logs.log_file(embedded, processes.BOOTSTRAP).write_text("waiting: Orion does not answer\n")
    fake.looks["orion"] = 10_000
    bootstrap = FakeBootstrap(False)
    bootstrap.has_failed = False
    with pytest.raises(StartError) as error:
        begun(embedded, "orion", bootstrap=bootstrap).wait()
    assert error.value.text.split("\n")[0] == "the platform did not start: nothing has moved for -1 s:"
    assert "  orion (unhealthy):" in error.value.text and error.value.text.count("health check: 127.0.0.1:5432") == 1
    assert "  bootstrap (running):\n    waiting: Orion does not answer" in error.value.text


def test_only_the_words_since_the_start_count(embedded: Settings) -> None:
    log = logs.log_file(embedded, "orion")
    log.write_text("address already in use, yesterday\n")
    logs.begin(embedded, "orion")
    assert logs.end_of_log(embedded, "orion") == ""
    log.write_text("starting\n")
    assert logs.end_of_log(embedded, "orion") == "starting"
    assert "yesterday" in log.with_name("orion.log.1").read_text(), "make logs still shows what was before"


def test_a_supervisor_that_ends_ends_the_start(embedded: Settings, fake: FakeServices, log: object) -> None:
    fake.running = False
    logs.log_file(embedded, processes.SUPERVISOR).write_text("no such module\n")
    with pytest.raises(
        CommandError, match="the platform did not start:\n  supervisor \\(failed\\):\n    no such module"
    ):
        begun(embedded, "orion").wait()


def test_a_failed_bootstrap_ends_the_start_with_the_end_of_its_log(
    embedded: Settings, fake: FakeServices, log: object
) -> None:
    logs.log_file(embedded, processes.BOOTSTRAP).write_text("no such block type\n")
    fake.looks["orion"] = 10_000
    with pytest.raises(CommandError, match=r"bootstrap \(failed\):\n    no such block type"):
        begun(embedded, "orion", bootstrap=FakeBootstrap(False)).wait()


@pytest.mark.parametrize("running, supervised, state", [(True, True, "starting"), (False, True, "restarting")])
def test_a_service_that_is_not_healthy_has_a_state_in_a_word(
    running: bool, supervised: bool, state: str, embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"orion": running, processes.SUPERVISOR: supervised}
    monkeypatch.setattr(processes, "is_running", lambda settings, name: known[name])
    monkeypatch.setattr(processes, "seconds_since_start", lambda settings, name: 1)
    monkeypatch.setattr(health, "is_healthy", lambda settings, name: False)
    assert health.state(embedded, "orion") == state


def test_a_service_that_stays_unhealthy_is_called_so(embedded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "is_running", lambda settings, name: True)
    monkeypatch.setattr(processes, "seconds_since_start", lambda settings, name: health.START_GRACE_SECONDS)
    monkeypatch.setattr(health, "is_healthy", lambda settings, name: False)
    assert health.state(embedded, "orion") == "unhealthy"


def test_the_state_of_a_service_without_a_process_is_stopped(embedded: Settings) -> None:
    assert health.state(embedded, "orion") == "stopped"


class Page(BaseHTTPRequestHandler):
    """Answers 200 on Orion's health path and 400 elsewhere."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def held_by_this_process(settings: Settings, name: str) -> Iterator[None]:
    """Makes this process the service, as far as its lock says."""
    with service_lock.take(service_lock.lock_file(variables.folder(settings) / "run", name)) as lock:
        service_lock.write_pid(lock, os.getpgrp())
        yield


@pytest.fixture
def services_here(embedded: Settings) -> Iterator[None]:
    """Makes this process Orion and both emulators."""
    with ExitStack() as stack:
        for name in ("orion", "bigquery", "gcs"):
            stack.enter_context(contextmanager(held_by_this_process)(embedded, name))
        yield


def test_a_page_that_answers_200_means_healthy_and_any_other_answer_does_not(
    embedded: Settings, port: int, services_here: None
) -> None:
    settings = embedded.with_ports(
        {"ORION_PORT": port, "BIGQUERY_PORT": port, "BIGQUERY_GRPC_PORT": port, "GCS_PORT": 1}
    )
    healthy = [name for name in ("orion", "bigquery", "gcs") if health.is_healthy(settings, name)]
    assert healthy == ["orion"]


def test_a_foreign_server_on_its_port_makes_no_service_healthy(embedded: Settings, port: int) -> None:
    settings = embedded.with_ports({"ORION_PORT": port})
    assert not health.is_healthy(settings, "orion")
    file = service_lock.lock_file(variables.folder(embedded) / "run", "orion")
    with service_lock.take(file) as lock, subprocess.Popen(["sleep", "60"], start_new_session=True) as orion:
        service_lock.write_pid(lock, orion.pid)
        assert processes.is_running(settings, "orion") and not health.is_healthy(settings, "orion")
        orion.kill()


def test_a_port_that_another_program_has_taken_ends_the_wait(
    embedded: Settings, fake: FakeServices, log: object
) -> None:
    fake.looks["orion"] = 10_000
    variables.taken_note(embedded).write_text("4200")
    with pytest.raises(processes.PortTakenError, match="another program took ORION_PORT=4200"):
        begun(embedded, "orion").wait()


def test_the_bootstrap_is_told_what_is_not_proved_yet(embedded: Settings, fake: FakeServices, log: object) -> None:
    bootstrap = FakeBootstrap(True)
    begun(embedded, "orion", "gcs", bootstrap=bootstrap).wait()
    assert bootstrap.waiting == [["orion"]] * 2


def test_every_service_has_a_health_check() -> None:
    services = [BY_NAME[name] for name in processes.services()]
    assert all(service.health or service.health_program for service in services)
