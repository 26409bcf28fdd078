"""Which process listens on a port, with real sockets in real processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.runtimes import listeners, ports
from cli.runtimes.listeners import Listener
from orionbox.errors import CommandError

Listen = Callable[..., int]
SERVER = """
import os, signal, socket, sys
address, port, *options = sys.argv[1:]
server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
if "dual" in options:
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
elif ":" in address:
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
if "shared" in options:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
server.bind((address, int(port)))
server.listen()
if "worker" in options:
    if not os.fork():
        os.close(1)
        signal.pause()
    server.close()
print("listening", flush=True)
sys.stdin.read()
"""
WITH_IPV6 = pytest.mark.skipif(not ports.can_listen(0, "::1"), reason="this machine has no IPv6")


@pytest.fixture
def port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Starts a server in a process group of its own; returns the group."""
    started = []

    def listen(address: str, port: int, *options: str) -> int:
        command = [sys.executable, "-c", SERVER, address, str(port), *options]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        assert process.stdout and process.stdout.readline() == b"listening\n"
        return process.pid

    yield listen
    for process in started:
        os.killpg(process.pid, 9)
        process.communicate()


def test_nobody_listens_on_a_free_port(port: int) -> None:
    assert not listeners.is_only_listener(os.getpgrp(), port)
    with socket.create_server(("127.0.0.1", 0)):  # on another port
        assert not listeners.is_only_listener(os.getpgrp(), port)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", pytest.param("::ffff:127.0.0.1 dual", marks=WITH_IPV6)])
def test_a_listener_is_known_by_its_process_group(address: str, port: int, listen: Listen) -> None:
    address, *options = address.split()
    group = listen(address, port, *options)
    assert listeners.is_only_listener(group, port)
    assert not listeners.is_only_listener(os.getpgrp(), port)


@WITH_IPV6
def test_a_listener_on_all_addresses_of_both_families_is_reached_by_127_0_0_1(port: int, listen: Listen) -> None:
    assert listeners.is_only_listener(listen("::", port, "dual"), port)


@WITH_IPV6
def test_a_listener_on_another_address_does_not_count(port: int, listen: Listen) -> None:
    assert not listeners.is_only_listener(listen("::1", port), port)
    assert not listeners.is_only_listener(listen("127.0.0.2", port), port)


@WITH_IPV6
def test_the_exact_address_wins_over_somebody_else_s_wildcard(port: int, listen: Listen) -> None:
    ours, other = listen("127.0.0.1", port), listen("::", port)
    assert listeners.is_only_listener(ours, port)
    assert not listeners.is_only_listener(other, port)


def test_a_port_that_is_shared_with_another_program_belongs_to_neither(port: int, listen: Listen) -> None:
    groups = [listen("127.0.0.1", port, "shared") for _ in range(2)]
    assert not any(listeners.is_only_listener(group, port) for group in groups)


def test_a_server_s_worker_counts_as_the_server(port: int, listen: Listen) -> None:
    assert listeners.is_only_listener(listen("127.0.0.1", port, "worker"), port)


def test_this_machine_shows_who_listens() -> None:
    listeners.require()


def test_a_machine_that_does_not_show_who_listens_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(listeners, "PROC", tmp_path)
    with pytest.raises(CommandError, match="does not show which process listens on a port") as error:
        listeners.require()
    assert error.value.fix == "use RUNTIME=compose"


def test_lsof_s_fields_are_read_as_address_and_group() -> None:
    printed = "p10\ng9\nf5\nn127.0.0.1:4200\nf6\nn[::1]:4200\np11\ng11\nf7\nn*:4200\n"
    assert listeners.parse_lsof(printed) == [
        Listener("127.0.0.1", "9"),
        Listener("[::1]", "9"),
        Listener("*", "11"),
    ]
    assert listeners.parse_lsof("") == []


@pytest.mark.parametrize("printed, expected", [("p9\ng9\nf5\nn127.0.0.1:1\n", True), ("p8\ng8\nf5\nn*:1\n", False)])
def test_on_macos_lsof_knows(printed: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess(["lsof"], 0, printed)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: done)
    assert listeners.is_only_listener(9, 1) is expected


def test_a_mac_without_lsof_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CommandError, match="lsof: no such program"):
        listeners.is_only_listener(9, 1)


PID_FILE = "77\n/data\n1790000000\n5432\n\n{}\n  5001   9\n{}\n"


@pytest.mark.parametrize(
    "content, expected",
    [
        (PID_FILE.format("127.0.0.1", "ready   "), True),
        (PID_FILE.format("127.0.0.1", "starting"), True),
        (PID_FILE.format("", "starting"), False),
        (PID_FILE.format("127.0.0.1", "ready   ").replace("77", "78"), False),
        (PID_FILE.format("127.0.0.1", "ready   ").replace("5432", "5433"), False),
        ("-77\n/data\n", False),
        ("", False),
        (None, False),
    ],
)
def test_postgres_writes_down_where_it_listens(content: str | None, expected: bool, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "postmaster.pid").write_text(content)
    assert listeners.is_postmaster(77, 5432, tmp_path) is expected
