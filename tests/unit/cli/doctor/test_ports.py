"""The checks of the ports, and whose they are."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.doctor.machine import Machine, Owner
from tests.unit.cli.doctor.fake_machine import Doctor, FakeMachine, Line


def test_the_program_on_a_port_and_a_free_port_are_reported(machine: FakeMachine, line: Line) -> None:
    listeners = (
        'LISTEN 0 128 127.0.0.1:15432 0.0.0.0:* users:(("other",pid=6,fd=5))\n'
        'LISTEN 0 128 127.0.0.1:5432 0.0.0.0:* users:(("postgres",pid=7,fd=5))\n'
    )
    busy = replace(machine.but(ss=listeners), used_ports=frozenset({5432, 5433}))
    assert line(busy, "port 5432") == (
        "warn  port 5432       is in use on this machine, by postgres; fix: nothing to do: make up takes the next free "
        "one; or set POSTGRES_PORT=5434 in .env"
    )


@pytest.mark.parametrize(
    ("container", "text"),
    [
        ("shop|/home/ada/shop||shop-web-1", "by container shop-web-1;"),
        (
            "orionbox|/home/bob/orionbox|/home/bob/orionbox|x-1",
            "by platform orionbox of Orionbox in /home/bob/orionbox;",
        ),
    ],
)
def test_another_container_on_a_port_is_reported(machine: FakeMachine, line: Line, container: str, text: str) -> None:
    busy = replace(machine.but(docker_ps=f"{container}\n"), used_ports=frozenset({8080}))
    assert text in line(busy, "port 8080")


def test_our_own_containers_are_fine(machine: FakeMachine, line: Line) -> None:
    busy = replace(machine, used_ports=frozenset({8080}))
    labels = f"orionbox|{machine.root}|{machine.root}|orionbox-pgadmin-1\n"
    assert line(busy.but(docker_ps=labels), "ports").startswith("ok ")
    old = f"orionbox|{machine.root}||orionbox-pgadmin-1\n"
    assert line(busy.but(docker_ps=old), "ports").startswith("ok "), "containers of 0.2.0 have no label of their own"


def test_without_docker_a_process_of_this_platform_is_fine_and_one_of_another_is_named(
    machine: FakeMachine, lines: Doctor
) -> None:
    ours = Owner("python", "orionbox", str(machine.root), True)
    theirs = Owner("python", "second", str(machine.root), True)
    busy = replace(machine, used_ports=frozenset({4200, 4280}), owners={4200: ours, 4280: theirs})
    (printed,) = lines(busy, "port", runtime="embedded")
    assert printed.startswith("warn  port 4280       is in use on this machine, by platform second of Orionbox in ")


def test_without_docker_a_container_on_a_port_is_named_too(machine: FakeMachine, line: Line) -> None:
    busy = replace(machine, used_ports=frozenset({4200}), owners={4200: Owner("docker-proxy")})
    assert "by docker-proxy;" in line(busy, "port 4200", runtime="embedded")
    known = busy.but(docker_ps="orionbox|/home/bob/o|/home/bob/o|orionbox-orion-1\n")
    assert "by platform orionbox of Orionbox in /home/bob/o;" in line(known, "port 4200", runtime="embedded")


def test_the_ports_that_the_platform_has_taken_count(machine: FakeMachine, line: Line) -> None:
    moved = replace(machine, used_ports=frozenset({4200}), taken_ports={"ORION_PORT": 4201})
    assert line(moved, "ports").startswith("ok ")


def test_ports_of_services_that_no_setting_enables_do_not_matter(machine: FakeMachine, line: Line) -> None:
    busy = replace(machine, used_ports=frozenset({8443, 8787}))
    assert line(busy, "ports").startswith("ok ")
    (machine.root / ".env").write_text("TASK_RUNNER=dask\n")
    assert "is in use" in line(busy, "port 8787")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A listening socket of this process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_the_machine_knows_the_process_and_its_platform(tmp_path: Path, server: socket.socket) -> None:
    port, proc = server.getsockname()[1], tmp_path / str(os.getpid())
    proc.mkdir()
    (proc / "comm").write_text("python3\n")
    here = Machine(proc=tmp_path)
    assert here.port_owner(port) == Owner("python3")
    (proc / "environ").write_bytes(b"PATH=/bin\0ROOT=/home/bob/orionbox\0DATA=/home/bob/orionbox/.embedded/two/data\0")
    assert here.port_owner(port) == Owner("python3", "two", "/home/bob/orionbox", True)
    assert "is in use" in here.port_obstacle(port)
