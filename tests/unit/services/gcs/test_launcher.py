import base64
import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.conftest import ROOT

pytest.importorskip("gcp_storage_emulator")
new_buckets = pytest.importorskip("services.gcs.new_buckets")


@dataclass(frozen=True)
class Emulator:
    """A running launcher: its address and process, and the folder of its objects."""

    url: str
    process: subprocess.Popen[str]
    folder: Path

    def ask(self, path: str, body: bytes | None = None, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        try:
            with urlopen(Request(self.url + path, body, headers, method=method), timeout=2) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()

    def make_bucket(self) -> None:
        body = json.dumps({"name": "taxi"}).encode()
        assert self.ask("/storage/v1/b?project=p", body, "POST", **{"Content-Type": "application/json"})[0] == 200

    def upload(self, name: str, content: bytes) -> int:
        path = f"/upload/storage/v1/b/taxi/o?uploadType=media&name={name}"
        return self.ask(path, content, "POST", **{"Content-Type": "text/csv"})[0]

    def resource(self, name: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.ask(f"/storage/v1/b/taxi/o/{name}")[1])
        return found


@contextmanager
def running(data: Path, end: signal.Signals = signal.SIGTERM) -> Iterator[Emulator]:
    """Start a launcher on a free port; end it with the given signal."""
    command = [sys.executable, "-m", "services.gcs.launcher", "--port", "0", "--data-dir", str(data)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = next(found[0] for line in process.stderr if (found := re.search(r"http://\S+", line)))
        try:
            yield Emulator(url, process, data / ".cloudstorage")
        finally:
            process.send_signal(end)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running(tmp_path_factory.mktemp("gcs")) as started:
        started.make_bucket()
        yield started


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def test_an_idle_connection_delays_no_other(emulator: Emulator) -> None:
    host, port = emulator.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))):
        assert emulator.ask("/") == (200, b"OK")


def test_an_upload_that_stalls_halfway_delays_no_other(emulator: Emulator) -> None:
    host, port = emulator.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as stalled:
        stalled.sendall(b"POST /upload/storage/v1/b/taxi/o?uploadType=media&name=slow HTTP/1.0\r\n")
        stalled.sendall(b"Content-Length: 10\r\n\r\nhalf")
        assert emulator.upload("quick", b"all") == 200


def test_wipe_is_not_found_and_erases_nothing(emulator: Emulator) -> None:
    emulator.upload("kept", b"rides")
    assert emulator.ask("/wipe")[0] == 404
    assert emulator.ask("/storage/v1/b/taxi/o/kept?alt=media") == (200, b"rides")


@pytest.mark.parametrize("path", ["/token", "/google/token", "/google/o/oauth2/token?alt=json"])
def test_a_login_is_renewed_where_google_s_clients_ask(emulator: Emulator, path: str) -> None:
    form = b"grant_type=refresh_token&client_id=a&client_secret=b&refresh_token=c"
    status, answer = emulator.ask(path, form, "POST")
    assert (status, json.loads(answer)["token_type"]) == (200, "Bearer")
    status, answer = emulator.ask(
        path, b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=x", "POST"
    )
    assert (status, json.loads(answer)["error"]) == (400, "invalid_grant")


def test_a_first_write_creates_the_bucket_and_a_read_does_not(emulator: Emulator) -> None:
    for path in ("/storage/v1/b/dtc_lake_1", "/storage/v1/b/dtc_lake_1/o", "/storage/v1/b/dtc_lake_1/o/a?alt=media"):
        assert emulator.ask(path)[0] == 404
    assert b"The specified bucket does not exist." in emulator.ask("/storage/v1/b/dtc_lake_1")[1]
    assert emulator.ask("/upload/storage/v1/b/dtc_lake_1/o?uploadType=media&name=a", b"rides", "POST")[0] == 200
    assert emulator.ask("/storage/v1/b/dtc_lake_1/o/a?alt=media") == (200, b"rides")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/upload/storage/v1/b/{}/o?uploadType=resumable&name=x"),
        ("PUT", "/{}/x"),
        ("POST", "/storage/v1/b/taxi/o/source/copyTo/b/{}/o/x"),
        ("POST", "/storage/v1/b/taxi/o/source/rewriteTo/b/{}/o/x"),
    ],
)
def test_every_way_to_write_creates_a_bucket_and_refuses_a_wrong_name(
    emulator: Emulator, method: str, path: str
) -> None:
    emulator.upload("source", b"rides")
    name, kind = f"own-{len(path)}", {"Content-Type": "text/csv" if method == "PUT" else "application/json"}
    assert emulator.ask(path.format(name), b"{}", method, **kind)[0] == 200
    assert emulator.ask(f"/storage/v1/b/{name}")[0] == 200
    status, answer = emulator.ask(path.format("My_Bucket"), b"{}", method, **kind)
    assert status == 400
    assert json.loads(answer)["error"]["message"].startswith("Invalid bucket name: 'My_Bucket'")
    assert emulator.ask("/storage/v1/b/My_Bucket")[0] == 404


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_web_page_elsewhere_neither_reads_nor_writes(emulator: Emulator, headers: dict[str, str]) -> None:
    upload = "/upload/storage/v1/b/taxi/o?uploadType=media&name=foreign.csv"
    for path, body, method in (
        (upload, b"rides", "POST"),
        ("/storage/v1/b/taxi/o", None, "GET"),
        ("/backup", None, "GET"),
    ):
        status, answer = emulator.ask(path, body, method, **headers)
        assert status == 403 and b"Refused: " in answer
    assert emulator.ask("/storage/v1/b/taxi/o/foreign.csv")[0] == 404


def test_a_change_of_a_bucket_says_that_it_is_json(emulator: Emulator) -> None:
    status, answer = emulator.ask(
        "/storage/v1/b?project=p", b'{"name": "forged"}', "POST", **{"Content-Type": "text/plain"}
    )
    assert status == 415 and b"Content-Type: application/json" in answer
    assert emulator.ask("/storage/v1/b/forged")[0] == 404
    # As google-auth asks for a token
    assert emulator.ask("/token", b"grant_type=x", "POST")[0] not in (403, 415)


def test_a_name_with_other_characters_is_refused_by_google_s_message(emulator: Emulator) -> None:
    for path in ("/upload/storage/v1/b/my%20bucket/o?uploadType=media&name=a", "/storage/v1/b/my%20bucket/o/a"):
        status, answer = emulator.ask(path, b"{}", "POST", **{"Content-Type": "application/json"})
        assert status == 400
        assert b"Invalid bucket name: 'my bucket'" in answer
    body = json.dumps({"name": "goog-taxi"}).encode()
    status, answer = emulator.ask("/storage/v1/b?project=p", body, "POST", **{"Content-Type": "application/json"})
    assert (status, b"neither begin with goog" in answer) == (400, True)


@pytest.mark.parametrize(
    "name", ["abc", "dtc_data_lake_case-1", "a.b.example.com", "1-2", "x" * 63, f"{'x' * 63}.{'y' * 63}"]
)
def test_google_allows_these_names(name: str) -> None:
    assert new_buckets.problem(name) == ""


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("ab", "3 to 63"),
        ("x" * 64, "3 to 63"),
        (f"{'x' * 64}.y", "at most 63"),
        (".".join(["x" * 60] * 4), "up to 222"),
        ("My_Lake", "only a-z"),
        ("lake-", "at both ends"),
        ("_lake", "at both ends"),
        ("la ke", "only a-z"),
        ("a..b", "beside a dot"),
        ("a.-b", "beside a dot"),
        ("192.168.5.4", "IP address"),
        ("google-lake", "goog"),
        ("goog-lake", "goog"),
        ("my-g00gle-lake", "google"),
    ],
)
def test_google_refuses_these_names(name: str, rule: str) -> None:
    message = new_buckets.problem(name)
    assert message.startswith(f"Invalid bucket name: '{name}'")
    assert rule in message


def test_with_the_setting_off_a_write_creates_no_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREATE_BUCKETS", "no")
    with running(tmp_path) as emulator:
        assert emulator.upload("a", b"rides") == 404
        emulator.make_bucket()
        assert emulator.upload("a", b"rides") == 200


@pytest.mark.parametrize(
    ("header", "part"), [("bytes=-3", b"789"), ("bytes=-99", b"0123456789"), ("bytes=2-4", b"234")]
)
def test_a_range_may_count_from_the_end(emulator: Emulator, header: str, part: bytes) -> None:
    emulator.upload("digits", b"0123456789")
    assert emulator.ask("/download/storage/v1/b/taxi/o/digits?alt=media", Range=header) == (206, part)


def test_an_object_bears_no_address_of_its_uploader(emulator: Emulator) -> None:
    emulator.upload("anywhere", b"rides")
    assert "mediaLink" not in emulator.resource("anywhere")


def begin_upload(emulator: Emulator, name: str) -> str:
    """Where its parts are to be sent."""
    start = "/upload/storage/v1/b/taxi/o?uploadType=resumable"
    body, kind = json.dumps({"name": name}).encode(), {"Content-Type": "application/json"}
    with urlopen(Request(emulator.url + start, body, kind), timeout=2) as answer:
        return str(answer.headers["Location"].removeprefix(emulator.url))


def send(emulator: Emulator, session: str, part: bytes, place: str) -> int:
    return emulator.ask(session, part, "PUT", **{"Content-Range": f"bytes {place}"})[0]


def half_uploaded(emulator: Emulator) -> list[Path]:
    return list((emulator.folder / "_resumable").glob("*"))


def test_an_upload_in_parts_arrives_complete(emulator: Emulator) -> None:
    session = begin_upload(emulator, "folder/parts")
    assert send(emulator, session, b"first ", "0-5/*") == 308
    assert emulator.ask("/storage/v1/b/taxi/o/folder%2Fparts")[0] == 404
    assert send(emulator, session, b"second", "6-11/12") == 200
    assert emulator.resource("folder%2Fparts")["md5Hash"] == md5(b"first second")
    assert emulator.ask("/storage/v1/b/taxi/o/folder%2Fparts?alt=media") == (200, b"first second")
    assert half_uploaded(emulator) == []


def test_a_part_that_is_sent_again_takes_its_own_place(emulator: Emulator) -> None:
    session = begin_upload(emulator, "again")
    for part, place in ((b"first ", "0-5/*"), (b"secon", "6-10/*"), (b"second", "6-11/*")):
        assert send(emulator, session, part, place) == 308
    assert send(emulator, session, b"beyond", "99-104/*") == 400
    assert send(emulator, session, b"", "*/12") == 200
    assert emulator.ask("/storage/v1/b/taxi/o/again?alt=media") == (200, b"first second")


def test_an_upload_that_is_given_up_leaves_nothing(emulator: Emulator) -> None:
    session = begin_upload(emulator, "never")
    assert send(emulator, session, b"first ", "0-5/*") == 308
    assert len(half_uploaded(emulator)) == 1
    assert emulator.ask(session, method="DELETE")[0] == 204
    assert half_uploaded(emulator) == []
    assert emulator.ask(session, method="DELETE")[0] == 404
    assert send(emulator, session, b"second", "6-11/12") == 404


def test_after_a_restart_uploads_go_on_but_week_old_ones_are_gone(tmp_path: Path) -> None:
    with running(tmp_path) as emulator:
        emulator.make_bucket()
        session, old = begin_upload(emulator, "new"), begin_upload(emulator, "old")
        for begun in (session, old):
            assert send(emulator, begun, b"first ", "0-5/*") == 308
        metadata = emulator.folder / ".meta"
    known = json.loads(metadata.read_text())
    (name,) = (name for name in known["resumable"] if ":old:" in name)
    known["resumable"] = {
        key.replace(name, "taxi:old:2020-01-01 00:00:00.5"): it for key, it in known["resumable"].items()
    }
    metadata.write_text(json.dumps(known))
    with running(tmp_path) as emulator:
        assert len(half_uploaded(emulator)) == 1
        assert send(emulator, session, b"second", "6-11/12") == 200
        assert send(emulator, old, b"second", "6-11/12") == 404
        assert half_uploaded(emulator) == []


def test_an_object_below_another_object_is_refused_in_words(emulator: Emulator) -> None:
    emulator.upload("a", b"file")
    assert emulator.upload("a/b", b"file below a file") == 400


def test_sigterm_ends_the_process_with_success(tmp_path: Path) -> None:
    with running(tmp_path) as emulator:
        pass
    assert emulator.process.returncode == 0


def test_an_object_overwritten_just_before_a_crash_has_the_md5_of_its_content(tmp_path: Path) -> None:
    with running(tmp_path, end=signal.SIGKILL) as emulator:
        emulator.make_bucket()
        emulator.upload("data/month", b"first")
        emulator.upload("untouched", b"same")
        before = emulator.resource("untouched")
    (emulator.folder / "taxi" / "data" / "month").write_bytes(b"again")
    (emulator.folder / ".tmp-half").write_bytes(b"ag")
    with running(tmp_path) as emulator:
        assert emulator.resource("data/month")["md5Hash"] == md5(b"again")
        assert emulator.resource("untouched") == before
        assert not list(emulator.folder.glob(".tmp-*"))


def test_objects_unrecorded_in_a_crash_are_listed_and_lost_ones_are_not(tmp_path: Path) -> None:
    with running(tmp_path, end=signal.SIGKILL) as emulator:
        emulator.make_bucket()
        emulator.upload("taken", b"gone")
    (emulator.folder / "taxi" / "taken").unlink()
    (emulator.folder / "taxi" / "left").write_bytes(b"here")
    with running(tmp_path) as emulator:
        listed = json.loads(emulator.ask("/storage/v1/b/taxi/o")[1])["items"]
        assert [(item["name"], item["md5Hash"], item["size"]) for item in listed] == [("left", md5(b"here"), "4")]


def test_a_broken_meta_file_costs_no_object(tmp_path: Path) -> None:
    with running(tmp_path, end=signal.SIGKILL) as emulator:
        emulator.make_bucket()
        emulator.upload("month", b"rides")
    meta = emulator.folder / ".meta"
    os.truncate(meta, meta.stat().st_size // 2)
    with running(tmp_path) as emulator:
        assert emulator.ask("/storage/v1/b/taxi/o/month?alt=media") == (200, b"rides")
        assert emulator.resource("month")["md5Hash"] == md5(b"rides")


def test_a_backup_holds_every_object_and_leaves_nothing_behind(emulator: Emulator) -> None:
    emulator.upload("data/green/month.parquet", b"trips")
    emulator.upload("_softdelete/mine", b"kept")
    before = set(emulator.folder.parent.iterdir())
    status, content = emulator.ask("/backup")
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        trips, kept = files[".cloudstorage/taxi/data/green/month.parquet"], files[".cloudstorage/taxi/_softdelete/mine"]
        assert status == 200 and trips and trips.read() == b"trips" and kept and kept.read() == b"kept"
        assert list(files)[-1] == ".backup.json"
    assert set(emulator.folder.parent.iterdir()) == before


def test_a_backup_holds_the_objects_of_its_start(emulator: Emulator) -> None:
    """Though objects change while it is read, and though its reader takes its time."""
    before, after = b"before" * 100_000, b"after" * 100_000
    for number in range(20):
        emulator.upload(f"many/{number}", before)
    with urlopen(f"{emulator.url}/backup", timeout=5) as answer:
        first = answer.read(1)
        for number in range(20):
            emulator.upload(f"many/{number}", after)
        content = first + answer.read()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        contents = {file.read() for member in tar if "/many/" in member.name and (file := tar.extractfile(member))}
    assert contents == {before}


def test_counts_are_objects_by_bucket(emulator: Emulator) -> None:
    before = json.loads(emulator.ask("/counts")[1])
    emulator.upload("counted", b"12345")
    after = json.loads(emulator.ask("/counts")[1])
    assert after["rows"] == {**before["rows"], "taxi": before["rows"]["taxi"] + 1}
    assert after["bytes"] == before["bytes"] + 5


def test_deleted_objects_go_for_good_when_they_are_old_enough(tmp_path: Path) -> None:
    with running(tmp_path) as emulator:
        emulator.make_bucket()
        for name in ("stays", "goes"):
            assert emulator.upload(name, b"12345") == 200
        assert emulator.ask("/storage/v1/b/taxi/o/goes", method="DELETE")[0] == 200
        kept = [path for path in tmp_path.rglob("_softdelete/taxi/*")]
        assert len(kept) == 1

        def prune(query: str) -> object:
            return json.loads(emulator.ask(f"/prune?{query}", b"{}", "POST", **{"Content-Type": "application/json"})[1])

        assert prune("days=1") == {"objects": 0, "bytes": 0}
        assert prune("days=0&dry_run=true") == {"objects": 1, "bytes": 5} and kept[0].exists()
        assert prune("days=0&dry_run=false") == {"objects": 1, "bytes": 5} and not kept[0].exists()
        assert emulator.ask("/storage/v1/b/taxi/o/stays")[0] == 200
