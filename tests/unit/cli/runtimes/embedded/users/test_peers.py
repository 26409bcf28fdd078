"""Which connections a service of the embedded runtime takes."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cli.programs import ROOT
from cli.runtimes.embedded.users import peers

if sys.platform != "linux":
    pytest.skip("only Linux tells who connects", allow_module_level=True)

ME, ANOTHER = {os.geteuid()}, {os.geteuid() + 1}
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which a close sends RST at once."""


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_the_kernel_names_the_user_at_the_other_end(server: socket.socket) -> None:
    with closing(socket.create_connection(server.getsockname())) as client:
        inode = os.fstat(client.fileno()).st_ino
        both = server.getsockname(), client.getsockname()
        assert peers.peer_of(*both) == peers.Peer(os.geteuid(), inode)
        assert peers._find_in_table(*reversed(both)) == peers.Peer(os.geteuid(), inode)
        connection, _ = server.accept()
        with connection:
            assert peers.is_allowed(connection, ME)
            assert not peers.is_allowed(connection, ANOTHER)


def test_a_kernel_without_sock_diag_is_asked_by_its_table(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "NETLINK_SOCK_DIAG", 31)
    with closing(socket.create_connection(server.getsockname())) as client:
        found = peers.peer_of(server.getsockname(), client.getsockname())
    assert found is not None and found.user == os.geteuid()


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_program_that_has_closed_its_end_is_nobody(server: socket.socket, is_reset: bool) -> None:
    client = socket.create_connection(server.getsockname())
    client.sendall(b"a request")
    if is_reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
    connection, _ = server.accept()
    with connection:
        assert connection.recv(100) == b"a request", "a server would serve it"
        assert not peers.is_allowed(connection, {0, *ME}), "the kernel says 0 for it"


def test_a_listening_program_at_the_other_end_s_port_is_not_the_one_that_connected(server: socket.socket) -> None:
    assert peers.peer_of(("127.0.0.1", 9), server.getsockname()) is None


@pytest.mark.parametrize(
    "peer, is_own", [("ipv4:{}", True), ("ipv6:[::1]:{port}", False), ("unix:", False), ("ipv4:127.0.0.1:1", False)]
)
def test_a_grpc_call_is_that_of_its_connection_s_user(server: socket.socket, peer: str, is_own: bool) -> None:
    with closing(socket.create_connection(server.getsockname())) as client:
        host, port = client.getsockname()
        text, ports = peer.format(f"{host}:{port}", port=port), [9, server.getsockname()[1]]
        assert peers.is_allowed_call(text, ports, ME) is is_own
        assert not peers.is_allowed_call(text, ports, ANOTHER)


class Handler(BaseHTTPRequestHandler):
    """Answers 200, and counts."""

    count = 0

    def do_GET(self) -> None:
        type(self).count += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Prints nothing."""


@pytest.mark.parametrize("users, status", [(ME, 200), (ANOTHER, 403)])
def test_a_server_answers_its_own_users_only(users: set[int], status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "accept", socket.socket.accept)  # restores it
    monkeypatch.setattr(Handler, "count", 0)
    peers.guard(users)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        try:
            for _ in range(2):  # it goes on after a refusal
                if status == 200:
                    assert urllib.request.urlopen(url, timeout=60).status == 200
                else:
                    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
                        urllib.request.urlopen(url, timeout=60)
                    assert "other users of this machine may not connect to it" in refused.value.read().decode()
        finally:
            server.shutdown()
    assert Handler.count == (2 if status == 200 else 0)


def test_a_refused_connection_looks_like_one_that_went(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "accept", socket.socket.accept)
    peers.guard(ANOTHER)
    with closing(socket.create_connection(server.getsockname())), pytest.raises(ConnectionAbortedError) as error:
        server.accept()
    assert error.value.errno == errno.ECONNABORTED, "asyncio and socketserver go on after it"


def test_the_module_runs_with_its_own_arguments_and_on_a_bare_python() -> None:
    command = [sys.executable, "-S", "-m", peers.__name__, "json.tool", "--no-such-option"]
    environment = {**os.environ, "ALLOWED_USERS": "1000,"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert "unrecognized arguments: --no-such-option" in done.stderr


def test_every_service_that_listens_runs_behind_the_guard() -> None:
    text = (ROOT / "cli/runtimes/embedded/supervisord.conf").read_text()
    commands = [line for line in text.splitlines() if line.startswith("command=") and "_PORT" in line]
    assert len(commands) == 6
    # Postgres asks for a password
    assert [line for line in commands if f"-m {peers.__name__} " not in line and "infra/postgres" not in line] == []
