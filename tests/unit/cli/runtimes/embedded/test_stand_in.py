"""The stand-in for the internet as a proxy: it becomes its own hosts, and connects all others."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.runtimes.embedded.internet.stand_in import HOSTS
from cli.runtimes.embedded.taxi_server import Release
from orionbox.release.server import new_handler
from orionbox.trips.months import RELEASE_PATH
from services.bootstrap import keys


class Emulator(BaseHTTPRequestHandler):
    """Answers with the path and the body that it got."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps([self.path, body.decode()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """The ports of the stand-in and of a server that it does not stand for, which is also its emulator."""
    (tmp_path / "green").mkdir()
    (tmp_path / "green/green_tripdata_2021-01.csv.gz").write_bytes(b"rides")
    (tmp_path / "system.crt").touch()
    for name, content in keys.certificates(str(tmp_path / "system.crt"), HOSTS).items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(Release, "certificates", tmp_path, raising=False)
    monkeypatch.setattr(Release, "repositories", tmp_path / "git", raising=False)
    monkeypatch.setattr(Release, "inbox", tmp_path / "inbox.jsonl", raising=False)
    with ExitStack() as stack:
        emulator = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Emulator))
        monkeypatch.setattr(Release, "gcs_port", emulator.server_port, raising=False)
        stand_in = stack.enter_context(
            ThreadingHTTPServer(("127.0.0.1", 0), new_handler(Release, str(tmp_path / "made"), str(tmp_path)))
        )
        for server in (emulator, stand_in):
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        yield stand_in.server_port, emulator.server_port


def reached(port: int, host: str, bundle: Path) -> HTTPSConnection:
    """A connection with a host by the proxy, which must show a certificate for it."""
    connection = HTTPSConnection("127.0.0.1", port, context=ssl.create_default_context(cafile=str(bundle)))
    connection.set_tunnel(host, 443)
    return connection


def test_it_is_github_and_serves_several_requests_on_one_connection(ports: tuple[int, int], tmp_path: Path) -> None:
    github = reached(ports[0], "github.com", tmp_path / "ca-bundle.crt")
    for _ in range(2):
        github.request("GET", f"/{RELEASE_PATH}/green/green_tripdata_2021-01.csv.gz")
        assert github.getresponse().read() == b"rides"
    github.close()


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 200), ({"Host": "evil.example"}, 403), ({"Origin": "https://evil.example"}, 403)]
)
def test_a_web_page_elsewhere_gets_no_taxi_file(ports: tuple[int, int], headers: dict[str, str], status: int) -> None:
    connection = HTTPConnection("127.0.0.1", ports[0])
    connection.request("GET", f"/{RELEASE_PATH}/green/green_tripdata_2021-01.csv.gz", headers=headers)
    with connection.getresponse() as answer:
        assert answer.status == status and (answer.read() == b"rides") == (status == 200)
    connection.close()


@pytest.mark.parametrize("host", ["oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com"])
def test_it_hands_a_key_of_one_s_own_to_the_emulator(ports: tuple[int, int], tmp_path: Path, host: str) -> None:
    google = reached(ports[0], host, tmp_path / "ca-bundle.crt")
    google.request("POST", "/token?alt=json", "grant_type=x")
    assert json.loads(google.getresponse().read()) == ["/google/token", "grant_type=x"]
    google.close()


def test_it_takes_messages_to_slack_and_keeps_them_for_the_inbox(ports: tuple[int, int], tmp_path: Path) -> None:
    slack = reached(ports[0], "hooks.slack.com", tmp_path / "ca-bundle.crt")
    for body in ('{"text": "a ride"}', "payload=%7B%22text%22%3A+%22two%22%7D"):
        slack.request("POST", "/services/T0/B0/class", body)
        answer = slack.getresponse()
        assert (answer.status, answer.read()) == (200, b"ok")
    # As chunks, without a length
    slack.request("POST", "/services/T0/B0/class", iter([b'{"text": ', b'"in pieces"}']), encode_chunked=True)
    assert slack.getresponse().read() == b"ok"
    slack.close()
    lines = [json.loads(line) for line in (tmp_path / "inbox.jsonl").read_text().splitlines()]
    assert [(line["host"], line["text"]) for line in lines] == [
        ("hooks.slack.com", "a ride"),
        ("hooks.slack.com", "two"),
        ("hooks.slack.com", "in pieces"),
    ]


@pytest.mark.parametrize(
    ("host", "method", "path", "body", "status", "text"),
    [
        ("hooks.slack.com", "POST", "/services/T0/B0/class", "a ride", 400, "invalid_payload"),
        ("hooks.slack.com", "POST", "/services/T0/B0/class", "payload=", 400, "invalid_payload"),
        ("hooks.slack.com", "GET", "/services/T0/B0/class", None, 405, "POST"),
        ("hooks.slack.com", "POST", "/elsewhere", '{"text": "a ride"}', 404, "it has no /elsewhere"),
        ("github.com", "POST", "/services/T0/B0/class", '{"text": "a ride"}', 404, "it has no /services/"),
    ],
)
def test_what_is_no_message_to_slack_is_refused(
    ports: tuple[int, int], tmp_path: Path, host: str, method: str, path: str, body: str | None, status: int, text: str
) -> None:
    connection = reached(ports[0], host, tmp_path / "ca-bundle.crt")
    connection.request(method, path, body)
    answer = connection.getresponse()
    assert answer.status == status and text in answer.read().decode()
    connection.close()
    assert not (tmp_path / "inbox.jsonl").exists()


def test_another_host_is_connected_as_it_is(ports: tuple[int, int]) -> None:
    connection = HTTPConnection("127.0.0.1", ports[0])
    connection.set_tunnel("127.0.0.1", ports[1])
    connection.request("POST", "/elsewhere", "body")
    assert json.loads(connection.getresponse().read()) == ["/elsewhere", "body"]
    connection.close()


def test_a_host_that_cannot_be_reached_is_said_to_be(ports: tuple[int, int]) -> None:
    connection = HTTPConnection("127.0.0.1", ports[0])
    connection.set_tunnel("127.0.0.1", 1)
    with pytest.raises(OSError, match=r"502 127.0.0.1 cannot be reached"):
        connection.request("GET", "/")
    connection.close()


def test_a_client_that_does_not_trust_it_gets_no_answer(ports: tuple[int, int]) -> None:
    distrustful = HTTPSConnection("127.0.0.1", ports[0], context=ssl.create_default_context())
    distrustful.set_tunnel("github.com", 443)
    with pytest.raises(ssl.SSLCertVerificationError):
        distrustful.request("GET", "/")
    distrustful.close()


def test_a_suite_in_cbc_mode_is_refused(ports: tuple[int, int], tmp_path: Path) -> None:
    for suite, is_allowed in (("ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE-ECDSA-AES128-SHA256", False)):
        github = reached(ports[0], "github.com", tmp_path / "ca-bundle.crt")
        context: ssl.SSLContext = vars(github)["_context"]
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suite)
        with nullcontext() if is_allowed else pytest.raises((ssl.SSLError, ConnectionError)):
            github.request("GET", "/")
        github.close()


@pytest.mark.parametrize("url", ["https://github.com/ada/tips.git", "https://github.com/ada/tips"])
def test_git_clones_a_repository_from_the_data_folder(ports: tuple[int, int], tmp_path: Path, url: str) -> None:
    repository = tmp_path / "git/ada/tips"
    repository.mkdir(parents=True)
    (repository / "tips.py").write_text("print('tips')\n")
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "homework"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "https_proxy": f"http://127.0.0.1:{ports[0]}",
        "GIT_SSL_CAINFO": str(tmp_path / "ca-bundle.crt"),
        "GIT_TERMINAL_PROMPT": "0",
    }
    done = subprocess.run(
        ["git", "clone", url, "cloned"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cloned/tips.py").read_text() == "print('tips')\n"
    missing = ["git", "clone", "https://github.com/ada/none.git"]
    refused = subprocess.run(missing, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "Orionbox has no repository ada/none" in refused.stderr or "not found" in refused.stderr
