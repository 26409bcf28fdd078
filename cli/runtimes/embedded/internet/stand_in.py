"""Answers for hosts of the internet without Docker's aliases: as a proxy, which every program finds in HTTPS_PROXY.

A program that wants https://github.com asks its proxy to CONNECT it (RFC 9110, section 9.3.6). For a host of the
stand-in, the proxy itself answers over TLS; every other host it connects as it is.
"""

from __future__ import annotations

import select
import socket
import ssl
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from cli.environments.proxies import GOOGLE_HOSTS, SLACK_HOST, TLC_HOSTS
from cli.programs import ROOT
from cli.runtimes.embedded.internet import cgi_programs, git_repositories
from orionbox.http_guard import GuardedHandler, HttpGuard

HOSTS = ("github.com", SLACK_HOST, *TLC_HOSTS, *GOOGLE_HOSTS)
"""Those of the stand-in that answer here."""
WEBHOOKS = "/services/"
"""The paths of Slack's incoming webhooks, as in services/internet/conf.d/slack.conf."""
SLACK_INBOX = (sys.executable, "-m", "services.internet.slack_inbox")
"""The program that takes messages to Slack, as in compose."""
PIECE = 1 << 16
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The suites of TLS 1.2, as in services/internet/nginx.conf."""
PATIENCE = 30
"""Seconds until a host of the internet must have answered."""


class StandIn(GuardedHandler):
    """Answers CONNECT, and what is asked of Google's sign-in, Slack and git; a subclass answers GET for the rest."""

    protocol_version = "HTTP/1.1"
    guard = HttpGuard("internet")
    host = ""
    """The host that the client believes it has reached."""
    certificates: Path
    """The folder of internet.crt and internet.key."""
    repositories: Path
    """The folder of git repositories."""
    inbox: Path
    """The file of the messages to Slack."""
    gcs_port: int
    """Where the Cloud Storage emulator is, which has the answers of Google's sign-in."""

    def is_guarded(self) -> bool:
        """Returns whether a web page could have sent this: not to a proxy, nor over TLS under another host's name."""
        return self.command != "CONNECT" and not self.host

    def do_CONNECT(self) -> None:
        """Becomes the host that the client wants, or connects it with that host."""
        host, _, port = self.path.rpartition(":")
        if host in HOSTS:
            self._become(host)
        else:
            self._connect(host.strip("[]"), int(port) if port.isdecimal() else 0)

    def _become(self, host: str) -> None:
        self.send_response_only(HTTPStatus.OK, "Connection established")
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(CIPHERS)
        context.load_cert_chain(self.certificates / "internet.crt", self.certificates / "internet.key")
        try:
            self.connection = self.request = context.wrap_socket(self.connection, server_side=True)
        except OSError as error:  # for example a client that does not trust the certificate
            self.log_error("%s: %s", host, error)
            self.close_connection = True
            return
        self.rfile, self.wfile = self.connection.makefile("rb", -1), self.connection.makefile("wb", 0)
        # The server's loop goes on with the request that comes over TLS
        self.host, self.close_connection = host, False

    def _connect(self, host: str, port: int) -> None:
        try:
            outside = socket.create_connection((host, port), PATIENCE)
        except (OSError, OverflowError, UnicodeError) as error:
            self.send_error(HTTPStatus.BAD_GATEWAY, f"{host} cannot be reached: {error}")
            return
        with outside:
            self.send_response_only(HTTPStatus.OK, "Connection established")
            self.end_headers()
            _relay(self.connection, outside)
        self.close_connection = True

    def finish(self) -> None:
        """Closes the TLS connection: the server knows only the plain one below it."""
        super().finish()
        if self.host:
            self.connection.close()

    def do_POST(self) -> None:
        """Answers for Google's sign-in, Slack and git."""
        if not self.stands_in():
            self._body()  # a client that is still sending may lose the answer
            text = f"This is Orionbox's stand-in for the internet, and it has no {self.path}.\n"
            self._send(HTTPStatus.NOT_FOUND, {"Content-Type": "text/plain"}, text.encode())

    def stands_in(self) -> bool:
        """Answers a request for Google's sign-in, Slack or a git repository; returns whether it was one."""
        if self.host in GOOGLE_HOSTS:
            self._answer_for_google(self._body())
            return True
        path, _, query = self.path.partition("?")
        if self.host == SLACK_HOST and path.startswith(WEBHOOKS):
            variables = {"REQUEST_METHOD": self.command, "HTTP_HOST": self.host, "INBOX": str(self.inbox)}
            self._send(*cgi_programs.answer(SLACK_INBOX, variables, self._body(), ROOT))
            return True
        if not git_repositories.PATH.fullmatch(path):
            return False
        headers = {name.title(): value for name, value in self.headers.items()}
        answer = git_repositories.answer(self.command, path, query, headers, self._body(), self.repositories)
        self._send(*answer)
        return True

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _answer_for_google(self, body: bytes) -> None:
        """Forwards the request to the emulator."""
        emulator = HTTPConnection("127.0.0.1", self.gcs_port, timeout=PATIENCE)
        try:
            emulator.request(self.command, f"/google{urlsplit(self.path).path}", body)
            answer = emulator.getresponse()
            status, content = answer.status, answer.read()
        except (OSError, HTTPException) as error:
            self.send_error(HTTPStatus.BAD_GATEWAY, f"the Cloud Storage emulator does not answer: {error}")
            return
        finally:
            emulator.close()
        self._send(status, {"Content-Type": "application/json"}, content)


def _relay(client: socket.socket, outside: socket.socket) -> None:
    """Passes bytes on in both directions, until one side closes."""
    other = {client: outside, outside: client}
    while True:
        for side in select.select(list(other), [], [])[0]:
            try:
                piece = side.recv(PIECE)
                other[side].sendall(piece)
            except OSError:
                return
            if not piece:
                return
