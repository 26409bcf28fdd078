"""Which ports a platform takes, reserves, and keeps."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

from cli.runtimes import ports
from cli.settings.settings import Settings
from orionbox.errors import CommandError
from tests.conftest import ROOT, wait_for

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract Unix sockets")


def choose(
    preferred: Mapping[str, int], file: Path, taken: Collection[int] = (), privileged: bool = False
) -> dict[str, int]:
    """A choice whose reservations end at once."""
    with ports.Reservations() as reservations:
        return ports.choose(preferred, file, reservations, taken=taken, privileged=privileged)


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_instead_of_a_port_in_use_a_platform_takes_the_next_free_one(
    tmp_path: Path, used_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = choose({"A_PORT": used_port, "B_PORT": used_port}, tmp_path / "ports.json")
    assert used_port < chosen["A_PORT"] < chosen["B_PORT"]
    said = f"A_PORT={used_port} is in use on this machine: this platform takes {chosen['A_PORT']}\n"
    assert said in capsys.readouterr().out


def test_two_settings_with_the_same_port_get_two_ports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    chosen = choose({"A_PORT": port, "B_PORT": port}, tmp_path / "ports.json")
    assert chosen["B_PORT"] > chosen["A_PORT"] == port
    assert f"B_PORT={port} is A_PORT, too: this platform takes {chosen['B_PORT']}" in capsys.readouterr().out


def test_a_setting_that_makes_way_for_another_one_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "find_obstacle", lambda port, address: "")
    monkeypatch.setattr(ports.Reservations, "add", lambda self, port: True)
    file, usual = tmp_path / "ports.json", {"A_PORT": 4443, "B_PORT": 9050}
    assert choose(usual, file) == usual
    once = {**usual, "A_PORT": 9050}
    assert choose(once, file) == ports.saved_ports(once, file) == {"A_PORT": 9050, "B_PORT": 9051}
    assert choose(usual, file) == ports.saved_ports(usual, file) == usual


def test_instead_of_a_port_in_use_a_platform_takes_none_that_another_setting_prefers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "find_obstacle", lambda port, address: "is in use" if port == 9049 else "")
    monkeypatch.setattr(ports.Reservations, "add", lambda self, port: True)
    chosen = choose({"A_PORT": 9049, "B_PORT": 9050}, tmp_path / "ports.json")
    assert chosen == {"A_PORT": 9051, "B_PORT": 9050}


@pytest.mark.skipif(not ports.can_listen(0, "::1"), reason="this machine has no IPv6")
def test_a_port_on_which_another_program_answers_to_localhost_is_not_free(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("::1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.is_free(port, "0.0.0.0")
        assert choose({"A_PORT": port}, tmp_path / "ports.json")["A_PORT"] > port
    assert f"A_PORT={port} is in use on [::1]: this platform takes" in capsys.readouterr().out


@pytest.mark.parametrize("missing", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_a_machine_without_ipv6_has_free_ports(missing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.bind

    def bind(self: socket.socket, address: tuple[str, int]) -> None:
        if address[0] == "::1":
            raise OSError(missing, os.strerror(missing))
        real(self, address)

    monkeypatch.setattr(socket.socket, "bind", bind)
    assert ports.is_free(0)


def test_a_port_that_only_an_engine_may_take_is_left_to_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def can_listen(port: int, address: str) -> bool:
        if port < 82:
            raise PermissionError
        return True

    monkeypatch.setattr(ports, "can_listen", can_listen)
    assert choose({"A_PORT": 80}, tmp_path / "engine.json", privileged=True) == {"A_PORT": 80}
    assert choose({"A_PORT": 80}, tmp_path / "mine.json") == {"A_PORT": 82}
    said = "A_PORT=80 is for the administrator of this machine only: this platform takes 82"
    assert said in capsys.readouterr().out


def test_a_platform_keeps_its_port_when_the_preferred_one_becomes_free(
    tmp_path: Path, used_port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, preferred = tmp_path / "ports.json", {"A_PORT": used_port}
    chosen = choose(preferred, file)
    monkeypatch.setattr(ports, "find_obstacle", lambda port, address: "")
    assert choose(preferred, file) == ports.saved_ports(preferred, file) == chosen
    assert f"A_PORT={used_port} was in use once: this platform keeps {chosen['A_PORT']}" in capsys.readouterr().out


def test_a_port_that_is_taken_although_it_looks_free_is_not_chosen(tmp_path: Path, used_port: int) -> None:
    file, preferred = tmp_path / "ports.json", {"A_PORT": used_port}
    first = choose(preferred, file)["A_PORT"]
    assert choose(preferred, file, taken=[first])["A_PORT"] > first


def test_a_different_preferred_port_is_chosen_anew(tmp_path: Path, used_port: int) -> None:
    file = tmp_path / "ports.json"
    assert ports.saved_ports({"A_PORT": used_port}, file) == {"A_PORT": used_port}
    choose({"A_PORT": used_port}, file)
    assert ports.saved_ports({"A_PORT": 1}, file) == {"A_PORT": 1}


def test_without_any_free_port_the_error_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "find_obstacle", lambda port, address: "is in use on this machine")
    with pytest.raises(CommandError, match="A_PORT=65530: no port from 65530 to 65535 is free") as error:
        choose({"A_PORT": 65_530}, tmp_path / "ports.json")
    assert error.value.fix == "set A_PORT in .env to a smaller number"
    assert not (tmp_path / "ports.json").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"A_PORT=1": "x"}', b'{"A_PORT=1": 0}', b'{"A_PORT=1": 70000}'],
)
def test_a_damaged_file_stores_no_ports(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    file.write_bytes(content)
    assert ports.saved_ports({"A_PORT": 1}, file) == {"A_PORT": 1}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert choose({"A_PORT": port}, file) == {"A_PORT": port} == ports.saved_ports({"A_PORT": port}, file)


def test_each_platform_and_runtime_has_its_own_file_of_ports() -> None:
    first, second = Settings({"COMPOSE_PROJECT_NAME": "a"}), Settings({"COMPOSE_PROJECT_NAME": "b"})
    files = {ports.ports_file(settings, runtime) for settings in (first, second) for runtime in ("compose", "embedded")}
    assert len(files) == 4


# --- reservations ---


@ON_LINUX
def test_a_port_that_another_start_has_chosen_is_not_chosen_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with ports.Reservations() as first:
        assert ports.choose({"A_PORT": port}, tmp_path / "first.json", first) == {"A_PORT": port}
        assert choose({"A_PORT": port}, tmp_path / "second.json")["A_PORT"] > port
        assert f"A_PORT={port} belongs to another Orionbox on this machine: this platform" in capsys.readouterr().out
    assert choose({"A_PORT": port}, tmp_path / "third.json") == {"A_PORT": port}


@ON_LINUX
def test_a_port_that_is_not_free_is_not_kept_reserved(used_port: int, tmp_path: Path) -> None:
    with ports.Reservations() as first, ports.Reservations() as second:
        ports.choose({"A_PORT": used_port}, tmp_path / "ports.json", first)
        assert second.add(used_port)


@ON_LINUX
def test_a_reservation_lasts_as_long_as_the_process_that_inherited_it() -> None:
    with ports.Reservations() as ours, ports.Reservations() as others:
        assert ours.add(4) and ours.add(4)
        heir = subprocess.Popen(["sleep", "60"], pass_fds=ours.descriptors())
        ours.remove(4)
        assert not others.add(4)
        heir.kill()
        heir.wait()
        assert others.add(4)


def test_where_there_are_no_reservations_each_port_counts_as_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(self: socket.socket, address: object) -> None:
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with ports.Reservations() as reservations:
        assert reservations.add(4) and reservations.descriptors() == []
        monkeypatch.setattr(sys, "platform", "darwin")
        assert reservations.add(5)


START = """
import pathlib, sys
from cli.runtimes import checkout, ports
from orionbox.files import write
root = pathlib.Path(sys.argv[1])
ports.LOCK = root / "lock"
with ports.exclusive_lock(), ports.Reservations() as reservations:
    ports.choose({"A_PORT": 49152}, root / ".ports/box-compose.json", reservations)
    checkout.ensure_id(root)
    write(root / ".env", "")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_starts_of_one_checkout_wait_for_each_other_and_none_for_itself(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    command = [sys.executable, "-c", START, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdout and first.stdin and first.stdout.readline() == "held\n"
        with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as second:
            assert second.stdout and second.stdin
            assert second.stdout.readline() == "waiting for another command that starts a platform of this checkout\n"
            first.stdin.close()
            wait_for(lambda: first.poll() == 0, "the end of the first")
            assert second.stdout.readline() == "held\n"
            second.stdin.close()
