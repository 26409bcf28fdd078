from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from email.message import Message
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from orionbox.release.server import FETCHED, TaxiHandler, new_handler
from orionbox.trips.months import RELEASE_PATH

MONTH = "green/green_tripdata_2020-05.csv.gz"
CONTENT = gzip.compress(b"VendorID,lpep_pickup_datetime\n1,2020-05-01 00:00:00\n")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "data/green").mkdir(parents=True)
    (tmp_path / "data" / MONTH).write_bytes(CONTENT)
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), new_handler(TaxiHandler, str(tmp_path / "made"), str(tmp_path / "data"))
    ) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, Message, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urlopen(Request(url, method=method, headers=named), timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_a_file_is_sent_with_what_it_is(server: str) -> None:
    status, headers, body = ask(f"{server}/{RELEASE_PATH}/{MONTH}")
    assert status == 200 and body == CONTENT
    assert headers["X-Orionbox-Data"] == f"excerpt; rows=1; file={MONTH}"
    assert headers["Content-Type"] == "application/gzip" and "Content-Encoding" not in headers


def test_head_sends_the_same_headers_and_no_body(server: str) -> None:
    _, expected, _ = ask(f"{server}/{RELEASE_PATH}/{MONTH}")
    status, headers, body = ask(f"{server}/{RELEASE_PATH}/{MONTH}", "HEAD")
    assert status == 200 and body == b""
    assert {**headers, "Date": ""} == {**expected, "Date": ""}


@pytest.mark.parametrize(
    ("range_", "begin", "end"),
    [("bytes=0-9", 0, 10), ("bytes=5-", 5, None), ("bytes=-4", -4, None), ("bytes=3-99999", 3, None)],
)
def test_a_range_of_bytes_is_sent(server: str, range_: str, begin: int, end: int | None) -> None:
    status, headers, body = ask(f"{server}/{RELEASE_PATH}/{MONTH}", Range=range_)
    assert status == 206 and body == CONTENT[begin:end]
    first = begin % len(CONTENT)
    assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(CONTENT)}"


@pytest.mark.parametrize("range_", ["bytes=99999-", "bytes=-0"])
def test_a_range_outside_the_file_is_refused(server: str, range_: str) -> None:
    status, headers, _ = ask(f"{server}/{RELEASE_PATH}/{MONTH}", Range=range_)
    assert status == 416 and headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("range_", ["bytes=0-1,4-5", "rows=1-2", "bytes=-", "bytes=9-3"])
def test_other_ranges_get_the_complete_file(server: str, range_: str) -> None:
    status, _, body = ask(f"{server}/{RELEASE_PATH}/{MONTH}", Range=range_)
    assert status == 200 and body == CONTENT


def test_a_download_is_resumed_only_if_the_file_is_the_same(server: str) -> None:
    url = f"{server}/{RELEASE_PATH}/{MONTH}"
    _, headers, _ = ask(url)
    assert ask(url, Range="bytes=5-", If_Range=headers["ETag"])[0] == 206
    assert ask(url, Range="bytes=5-", If_Range='"another"')[0] == 200


def test_a_file_that_the_client_has_is_not_sent_again(server: str) -> None:
    url = f"{server}/{RELEASE_PATH}/{MONTH}"
    _, headers, _ = ask(url)
    assert ask(url, If_None_Match=headers["ETag"])[0] == 304
    assert ask(url, If_Modified_Since=headers["Last-Modified"])[0] == 304
    assert ask(url, If_Modified_Since="Thu, 01 Jan 1970 00:00:00 GMT")[0] == 200


def test_a_missing_month_is_generated_for_the_first_request(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    status, headers, body = ask(f"{server}/{RELEASE_PATH}/green/green_tripdata_2020-04.csv.gz")
    assert status == 200 and headers["X-Orionbox-Data"].startswith("generated; rows=35612; file=green/")
    assert gzip.decompress(body).count(b"\n") == 35_613


def test_the_limit_of_rows_is_a_setting(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENERATED_ROWS", "70")
    limited = new_handler(TaxiHandler, str(tmp_path / "limited"))
    with ThreadingHTTPServer(("127.0.0.1", 0), limited) as running:
        Thread(target=running.serve_forever, daemon=True).start()
        _, headers, _ = ask(f"http://127.0.0.1:{running.server_port}/trip-data/fhv_tripdata_2019-01.parquet")
        running.shutdown()
    assert headers["X-Orionbox-Data"] == "generated; rows=70; file=fhv/fhv_tripdata_2019-01.parquet"


def test_an_error_is_a_text_that_says_what_to_do(server: str) -> None:
    status, headers, body = ask(f"{server}/{RELEASE_PATH}/green/green_tripdata_2031-01.csv.gz")
    assert status == 404 and headers["Content-Type"].startswith("text/plain")
    assert body.startswith(b"Orionbox's data folder has no green/green_tripdata_2031-01.csv.gz.\n")
    status, _, body = ask(f"{server}/elsewhere")
    assert (status, body) == (404, b"This is Orionbox's stand-in for the internet, and it has no /elsewhere.\n")


def test_the_files_that_were_fetched_are_listed_newest_first_and_each_once(server: str) -> None:
    ask(f"{server}/{RELEASE_PATH}/{MONTH}", "HEAD")
    assert json.loads(ask(server + FETCHED)[2]) == []
    for _ in range(2):
        ask(f"{server}/{RELEASE_PATH}/{MONTH}")
        ask(f"{server}/{RELEASE_PATH}/misc/taxi_zone_lookup.csv")
    (entry,) = json.loads(ask(server + FETCHED)[2])
    assert (entry["file"], entry["kind"], entry["rows"]) == (MONTH, "excerpt", 1)
