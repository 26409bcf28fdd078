"""Which user the platform works as, and which users it answers."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cli.runtimes.embedded import variables
from dev.clones import processes_in
from tests.conftest import Checkout

ANOTHER = 65_533
"""A user who has nothing to do with the platform; it needs no name."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which a close sends RST at once."""
NOT_ROOT = "all tests run as a normal user here"
HTTP = tuple(
    port for port in (*variables.PORTS, variables.INTERNET) if port not in ("POSTGRES_PORT", "BIGQUERY_GRPC_PORT")
)


@contextmanager
def connection_of(user: int, port: int) -> Iterator[socket.socket]:
    """Connects as that user: a socket is of whoever creates it."""
    os.seteuid(user)
    try:
        client = socket.socket()
    finally:
        os.seteuid(0)
    with client:
        client.settimeout(60)
        client.connect(("127.0.0.1", port))
        yield client


def answer(client: socket.socket, request: str) -> str:
    """What a server answers to a request, headers included; it may do so before it has read the request."""
    received = b""
    with suppress(ConnectionError):
        client.sendall(f"{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    with suppress(ConnectionError):
        while piece := client.recv(65_536):
            received += piece
    return received.decode(errors="replace")


def port_of(platform: Checkout, name: str) -> int:
    """The port that the platform has chosen."""
    chosen = json.loads(
        (platform.root / ".ports" / f"{platform.env['COMPOSE_PROJECT_NAME']}-embedded.json").read_text()
    )
    return next(int(port) for preferred, port in chosen.items() if preferred.startswith(f"{name}="))


def rights(status: str) -> tuple[set[str], int]:
    """Users and groups, and the capabilities, in /proc/PID/status."""
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return {*lines["Uid"].split(), *lines["Gid"].split()}, int(lines["CapEff"], 16)


def test_no_process_is_root_s_or_has_a_right_of_root(platform: Checkout) -> None:
    found = {}
    for process, command in processes_in(platform.root):
        with suppress(OSError):  # it has ended
            found[command] = rights(Path(f"/proc/{process}/status").read_text())
    assert len(found) >= 9, found
    assert {command: facts for command, facts in found.items() if "0" in facts[0] or facts[1]} == {}


@pytest.mark.parametrize("port", HTTP)
def test_another_user_of_this_machine_is_refused(platform: Checkout, port: str) -> None:
    if os.geteuid():
        pytest.skip(NOT_ROOT)
    number = port_of(platform, port)
    with connection_of(ANOTHER, number) as client:
        refused = answer(client, "GET / HTTP/1.1")
    assert refused.startswith("HTTP/1.1 403 ") and "other users of this machine may not connect to it" in refused
    with connection_of(0, number) as client:
        assert "other users of this machine" not in answer(client, "GET / HTTP/1.1")


def test_another_user_cannot_deploy_a_flow_that_runs_a_command(platform: Checkout) -> None:
    """As was possible in 0.1.0: the command ran as the platform's user, which was root's."""
    if os.geteuid():
        pytest.skip(NOT_ROOT)
    body = '{"name": "stolen"}'
    request = f"POST /api/flows/ HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    orion = port_of(platform, "ORION_PORT")
    for _ in range(50):
        with connection_of(ANOTHER, orion) as client:  # it is gone before Orion looks who it was
            client.sendall(f"{request}\r\nHost: localhost:{orion}\r\n\r\n{body}".encode())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with connection_of(ANOTHER, orion) as client:
        assert "403 Forbidden" in answer(client, request)
    assert "stolen" not in [flow["name"] for flow in platform.orion.list_objects("flows")]


def test_another_user_cannot_call_bigquery_s_storage_api(platform: Checkout) -> None:
    if os.geteuid():
        pytest.skip(NOT_ROOT)
    code = (
        "import os, grpc; call = grpc.insecure_channel('127.0.0.1:{port}').unary_unary("
        "'/google.cloud.bigquery.storage.v1.BigQueryRead/CreateReadSession')\n"
        "os.setuid(int({user}))  # from now on it cannot read grpc's files, and connects\n"
        "try: call(b'', timeout=60)\n"
        "except grpc.RpcError as error: print(error.code().name)"
    )
    python = platform.root / ".embedded/flows/bin/python"
    for user, expected in ((ANOTHER, "PERMISSION_DENIED"), (0, "INVALID_ARGUMENT")):
        port = port_of(platform, "BIGQUERY_GRPC_PORT")
        done = subprocess.run([python, "-c", code.format(user=user, port=port)], capture_output=True, text=True)
        assert done.stdout.strip() == expected, done.stderr


def test_what_is_private_is_closed_to_other_users(platform: Checkout) -> None:
    owner = (platform.root / ".embedded").stat().st_uid
    assert owner != 0
    for name in (".embedded", "secrets", ".env"):
        status = (platform.root / name).stat()
        assert status.st_mode & (stat.S_IRWXO | stat.S_IWGRP) == 0, name
        assert not os.geteuid() or status.st_uid == owner
    changed = [path for folder in ("cli", "src", "services", "infra") for path in (platform.root / folder).rglob("*")]
    if not os.geteuid():
        assert {path.lstat().st_uid for path in changed} == {0}, "code that root runs is root's"
