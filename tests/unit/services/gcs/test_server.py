"""What the Cloud Storage server promises beyond Google's API: nothing is lost, and nothing ends a connection."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import socket
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen
from xml.etree import ElementTree

import pytest

pytest.importorskip("httptools")

import uvicorn
from starlette.datastructures import Headers

from orionbox import http_server
from services.gcs.call import with_google_names
from tests.conformance.storage.server import Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("gcs"), RETRY_TESTS="yes") as started:
        started.make_bucket()
        yield started


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def files_without_a_row(folder: Path) -> set[str]:
    """Return the files of contents that the catalogue does not know."""
    connection = sqlite3.connect(folder / "catalogue.sqlite")
    known = {str(row[0]) for row in connection.execute("SELECT generation FROM objects")}
    uploads = {row[0] for row in connection.execute("SELECT id FROM uploads UNION ALL SELECT file FROM parts")}
    connection.close()
    return set(os.listdir(folder / "objects")) - known | set(os.listdir(folder / "incoming")) - uploads


def raw(server: Server, request: bytes) -> bytes:
    """Send bytes as they are; return all that comes back until the server closes the connection."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=300) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while piece := connection.recv(65536):
            found += piece
    return found


# --- after a crash ---


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    with running(tmp_path, signal.SIGKILL) as server:
        server.make_bucket()
        assert [server.upload(f"o{number}", b"first") for number in range(5)] == [200] * 5
        assert server.upload("o0", b"second") == 200
        assert server.ask("/storage/v1/b/taxi/o/o1", method="DELETE")[0] == 204
    (tmp_path / "objects" / "12345").write_bytes(b"of no row")
    (tmp_path / "incoming" / "new-half").write_bytes(b"of no upload")
    (tmp_path / ".backup-old").mkdir()
    with running(tmp_path) as server:
        assert server.names() == ["o0", "o2", "o3", "o4"]
        assert server.content("o0") == b"second"
        assert files_without_a_row(tmp_path) == set() and not (tmp_path / ".backup-old").exists()


def test_an_upload_in_parts_goes_on_after_a_kill(tmp_path: Path) -> None:
    content = os.urandom(262144 + 10)
    with running(tmp_path, signal.SIGKILL) as server:
        server.make_bucket()
        begin = Request(f"{server.url}/upload/storage/v1/b/taxi/o?uploadType=resumable&name=a", b"", method="POST")
        with urlopen(begin) as answer:
            path = answer.headers["Location"].removeprefix(server.url)
        part = {"Content-Range": "bytes 0-262143/*"}
        assert server.ask(path, content[:262144], "PUT", **part)[0] == 308
    with running(tmp_path) as server:
        rest = {"Content-Range": "bytes 262144-262153/262154"}
        status, body = server.ask(path, content[262144:], "PUT", **rest)
        assert (status, json.loads(body)["md5Hash"]) == (200, md5(content))
        assert server.content("a") == content


def test_a_content_that_the_disk_has_lost_is_not_listed(tmp_path: Path) -> None:
    with running(tmp_path, signal.SIGKILL) as server:
        server.make_bucket()
        server.upload("lost", b"x")
        server.upload("kept", b"y")
        generation = json.loads(server.ask("/storage/v1/b/taxi/o/lost")[1])["generation"]
    (tmp_path / "objects" / generation).unlink()
    with running(tmp_path) as server:
        assert server.names() == ["kept"]


# --- backup ---


def test_a_backup_holds_the_objects_of_its_start_and_can_be_restored(tmp_path: Path) -> None:
    before, after = b"before" * 300_000, b"after"
    with running(tmp_path / "one") as server:
        server.make_bucket(versioning={"enabled": True})
        for number in range(5):
            assert server.upload(f"a//{number}", before) == 200
        server.upload("deleted", b"x")
        with urlopen(f"{server.url}/backup", timeout=60) as answer:
            first = answer.read(1)
            for number in range(5):
                server.upload(f"a//{number}", after)
            content = first + answer.read()
        assert not list((tmp_path / "one").glob(".backup-*"))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.getnames()[-1] == ".backup.json"
        summary = tar.extractfile(".backup.json")
        assert summary and json.loads(summary.read())["rows"] == {"taxi": 6}
        tar.extractall(tmp_path / "two", filter="data")
    with running(tmp_path / "two") as server:
        assert {server.content(f"a//{number}") for number in range(5)} == {before}
        assert files_without_a_row(tmp_path / "two") == set()


# --- what the platform asks ---


def test_counts_are_live_objects_by_bucket(server: Server) -> None:
    before = json.loads(server.ask("/counts")[1])
    server.upload("counted", b"12345")
    server.upload("counted", b"12345")
    after = json.loads(server.ask("/counts")[1])
    assert after["rows"]["taxi"] == before["rows"]["taxi"] + 1 and after["bytes"] == before["bytes"] + 5


def test_prune_deletes_what_was_soft_deleted(tmp_path: Path) -> None:
    is_json = {"Content-Type": "application/json"}
    with running(tmp_path) as server:

        def prune(query: str) -> object:
            status, answer = server.ask(f"/prune?{query}", b"{}", "POST", **is_json)
            assert status == 200, answer
            return json.loads(answer)

        server.make_bucket()
        server.upload("a", b"12345")
        server.upload("kept", b"1")
        server.ask("/storage/v1/b/taxi/o/a", method="DELETE")
        assert prune("days=1") == {"objects": 0, "bytes": 0}
        assert prune("days=0&dry_run=true") == {"objects": 1, "bytes": 5}
        assert len(os.listdir(tmp_path / "objects")) == 2
        assert prune("days=0&dry_run=false") == {"objects": 1, "bytes": 5}
        assert server.names() == ["kept"] and len(os.listdir(tmp_path / "objects")) == 1


def test_a_write_creates_its_bucket_only_where_that_is_set(tmp_path: Path) -> None:
    with running(tmp_path / "yes") as server:
        assert server.upload("a", b"x", "new-bucket") == 200
        assert server.upload("a", b"x", "Not-A-Name") == 400
        assert server.ask("/storage/v1/b/other-bucket/o")[0] == 404
    with running(tmp_path / "no", CREATE_BUCKETS="no") as server:
        assert server.upload("a", b"x", "new-bucket") == 404


def test_live_objects_are_files_for_bigquery(server: Server) -> None:
    root = server.folder / ".cloudstorage/taxi"
    server.upload("month/a.csv", b"one")
    server.upload("month/a.csv", b"two")
    assert (root / "month/a.csv").read_bytes() == b"two"
    server.ask("/storage/v1/b/taxi/o/month%2Fa.csv", method="DELETE")
    assert not (root / "month").exists()
    for name in ("b//c", "b/../../../escape", "..", "b/./c"):
        server.upload(name, b"x")
    assert not list(server.folder.parent.glob("escape*"))


def test_the_server_makes_faults_that_a_client_asks_for(server: Server) -> None:
    server.upload("whole", b"0123456789")
    wanted = {"instructions": {"storage.objects.get": ["return-503", "return-broken-stream"]}}
    test = json.loads(server.ask("/retry_test", json.dumps(wanted).encode(), "POST")[1])
    named = {"x-retry-test-id": test["id"]}
    assert server.ask("/storage/v1/b/taxi/o/whole?alt=media", **named)[0] == 503
    with pytest.raises(Exception, match="IncompleteRead"):
        server.ask("/storage/v1/b/taxi/o/whole?alt=media", **named)
    assert server.ask("/storage/v1/b/taxi/o/whole?alt=media", **named) == (200, b"0123456789")
    assert json.loads(server.ask(f"/retry_test/{test['id']}")[1])["completed"] is True


def test_faults_are_off_unless_switched_on(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.ask("/retry_test", b"{}", "POST")[0] == 404


# --- what web pages elsewhere ask ---


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_web_page_elsewhere_neither_reads_nor_writes(server: Server, headers: dict[str, str]) -> None:
    upload = "/upload/storage/v1/b/taxi/o?uploadType=media&name=foreign.csv"
    for path, body, method in (
        (upload, b"rides", "POST"),
        ("/storage/v1/b/taxi/o", None, "GET"),
        ("/taxi/foreign.csv", b"rides", "PUT"),
        ("/backup", None, "GET"),
    ):
        status, answer = server.ask(path, body, method, **headers)
        assert status == 403 and b"Refused: " in answer
    assert server.ask("/storage/v1/b/taxi/o/foreign.csv")[0] == 404


def test_a_change_of_a_bucket_says_that_it_is_json(server: Server) -> None:
    text = {"Content-Type": "text/plain"}
    status, answer = server.ask("/storage/v1/b?project=p", b'{"name": "forged"}', "POST", **text)
    assert status == 415 and b"Content-Type: application/json" in answer
    assert server.ask("/storage/v1/b/forged")[0] == 404
    assert server.ask("/prune?days=0", b"{}", "POST", **text)[0] == 415
    # As google-auth asks for a token, and as the XML API takes any object, whatever its bucket is called
    assert server.ask("/token", b"grant_type=x", "POST")[0] not in (403, 415)
    assert server.ask("/prune-bucket/a.txt", b"x", "PUT", **text)[0] == 200


# --- signatures ---


def test_a_signed_address_is_checked(tmp_path: Path) -> None:
    from google.cloud import storage
    from google.oauth2 import service_account

    from services.bootstrap.keys import service_account_key

    key, other = (json.loads(service_account_key("http://gcs:4443/token", "p")) for _ in range(2))
    (tmp_path / "key.json").write_text(json.dumps(key))
    with running(tmp_path / "data", SIGNING_KEYS=str(tmp_path / "key.json")) as server:
        server.make_bucket()
        server.upload("a b/ü", b"rides")

        def signed(info: dict[str, str], method: str = "GET", **options: object) -> str:
            credentials = service_account.Credentials.from_service_account_info(info)  # type: ignore[no-untyped-call]
            blob = storage.Client(project="p", credentials=credentials).bucket("taxi").blob("a b/ü")
            address: str = blob.generate_signed_url(
                version="v4", expiration=60, method=method, api_access_endpoint=server.url, **options
            )
            return address.removeprefix(server.url)

        assert server.ask(signed(key)) == (200, b"rides")
        assert server.ask(signed(key), method="DELETE")[0] == 403
        assert server.ask(signed(key) + "0")[0] == 403
        assert server.ask(signed(other))[0] == 403
        assert server.ask(signed(key).replace("a%20b", "a%20c"))[0] == 403
        assert server.ask(signed(key, "PUT"), b"new", "PUT")[0] == 200
        assert server.content("a b/ü") == b"new"


# --- bad requests ---

BAD = (
    b"nonsense\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /storage/v1/b/%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /storage/v1/b/taxi/o?%ff=%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"POST /storage/v1/b?project=p HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /storage/v1/b?project=p HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /storage/v1/b?project=p HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /storage/v1/b?project=p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
    b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000,
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nX: " + b"a" * 66_000 + b"\r\n\r\nx",
    b"GET / HTTP/1.1\r\nHost: x",
    b"PUT /taxi/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
    b"POST /batch/storage/v1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/mixed; boundary=\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n",
    b"GET /storage/v1/b/taxi/o?maxResults=99999999999999999999 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /storage/v1/b/taxi/o/a?generation=99999999999999999999999 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /storage/v1/b?project=p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n"
    + b"[" * 100_000,
)


@pytest.mark.parametrize("request_bytes", BAD, ids=range(len(BAD)))
def test_a_bad_request_has_an_answer_and_the_server_goes_on(server: Server, request_bytes: bytes) -> None:
    assert raw(server, request_bytes).startswith(b"HTTP/1.")
    assert server.ask("/") == (200, b"OK")


def test_a_document_that_is_too_large_is_refused(server: Server) -> None:
    head = {"Content-Type": "application/json"}
    body = b'{"name": "' + b"x" * 3_000_000 + b'"}'
    assert server.ask("/storage/v1/b?project=p", body, "POST", **head)[0] == 413


def test_of_headers_with_one_name_the_first_counts() -> None:
    pairs = [(b"x-amz-a", b"1"), (b"x-amz-a", b"2"), (b"host", b"x")]
    assert with_google_names(Headers(raw=pairs))["x-goog-a"] == "1"


def test_no_character_makes_a_list_or_an_error_unreadable(server: Server) -> None:
    for name in ("a\x01b", "a\ufffeb"):
        assert server.upload(name, b"x") == 200
    for path in ("/taxi", "/taxi/%00zz", "/taxi?prefix=a%01"):
        answer = raw(server, f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        ElementTree.fromstring(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHo", b"PUT /o HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc"]
)
def test_a_connection_whose_client_says_nothing_more_is_closed(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] == "http.request":
            pass

    monkeypatch.setattr(http_server, "IDLE_SECONDS", 0.2)
    config = uvicorn.Config(app, http=http_server.AnsweringProtocol, log_level="error", lifespan="off")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = uvicorn.Server(config)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with socket.create_connection(listening.getsockname(), timeout=60) as connection:
                connection.sendall(sent)
                while connection.recv(65536):
                    pass
        finally:
            serving.should_exit = True
            thread.join()


def test_an_idle_connection_and_a_slow_upload_delay_no_other(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"POST /upload/storage/v1/b/taxi/o?uploadType=media&name=slow HTTP/1.1\r\nHost: localhost\r\n")
        slow.sendall(b"Content-Length: 10\r\n\r\nhalf")
        assert server.upload("quick", b"all") == 200
    assert "slow" not in server.names()


def test_memory_does_not_grow_with_the_object(server: Server) -> None:
    content = os.urandom(2**20) * 100
    assert server.upload("large", content) == 200
    assert hashlib.md5(server.content("large")).hexdigest() == hashlib.md5(content).hexdigest()
    body = json.dumps({"sourceObjects": [{"name": "large"}] * 2}).encode()
    assert server.ask(f"/storage/v1/b/taxi/o/{quote('joined')}/compose", body, "POST")[0] == 200
    status = Path(f"/proc/{server.process.pid}/status")
    if status.exists():
        peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        assert peak < 80_000
