"""Downloads from a server that drops connections: the result is the complete file or an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orionbox.errors import BadInputError
from orionbox.trips import download
from orionbox.trips.download import BrokenDownloadError, Download

CONTENT = bytes(range(256)) * 20_000
PART = 1_000_000


class Server(ThreadingHTTPServer):
    """Serves CONTENT, and closes each connection after `part` bytes of it."""

    part = PART
    version: str | None = '"1"'
    knows_ranges = True
    requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/green/file.csv.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        asked, version = self.headers.get("Range"), self.server.version
        resumed = asked and self.server.knows_ranges and self.headers["If-Range"] == version
        start = int(str(asked).removeprefix("bytes=").removesuffix("-")) if resumed else 0
        self.send_response(206 if resumed else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if version:
            self.send_header("ETag", version)
        self.end_headers()
        self.wfile.write(CONTENT[start : start + self.server.part])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "RESUME_PAUSE", 0.01)
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_broken_download_resumes_at_its_last_byte(server: Server, tmp_path: Path) -> None:
    with Download(server.url, tmp_path) as file:
        assert file.read() == CONTENT
    assert server.requests == -(-len(CONTENT) // PART)
    assert (tmp_path / "file.csv.gz").read_bytes() == CONTENT


def test_it_gives_up_when_nothing_more_comes_and_says_how_far_it_came(server: Server, tmp_path: Path) -> None:
    with Download(server.url, tmp_path) as file:
        file.read(10)
        server.part = 0
        with pytest.raises(BrokenDownloadError, match=r"broke off after 1,\d+,\d+ bytes"):
            file.read()
    assert server.requests == 1 + download.RESUMES


@pytest.mark.parametrize(("version", "knows_ranges"), [(None, True), ('"1"', False)])
def test_a_download_that_cannot_resume_is_an_error(
    server: Server, tmp_path: Path, version: str | None, knows_ranges: bool
) -> None:
    server.version, server.knows_ranges = version, knows_ranges
    with Download(server.url, tmp_path) as file, pytest.raises(BrokenDownloadError):
        file.read()


def test_a_file_that_changed_meanwhile_is_not_put_together_from_two(server: Server, tmp_path: Path) -> None:
    with Download(server.url, tmp_path) as file:
        file.read(10)
        server.version = '"2"'
        with pytest.raises(BrokenDownloadError):
            file.read()


def test_a_server_that_is_gone_is_tried_again_then_given_up(server: Server, tmp_path: Path) -> None:
    with Download(server.url, tmp_path) as file:
        file.read(10)
        server.shutdown()
        server.server_close()
        with pytest.raises(BrokenDownloadError):
            file.read()


def test_an_address_without_a_file_is_bad_input(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "do_GET", lambda self: self.send_error(404))
    with pytest.raises(BadInputError, match="404"):
        Download(server.url, tmp_path)
    assert not list(tmp_path.iterdir())
