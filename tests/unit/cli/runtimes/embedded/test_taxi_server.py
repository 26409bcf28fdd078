"""The server of the taxi files: the same answers as nginx gives in compose."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from cli.runtimes.embedded import taxi_server
from orionbox.trips.months import RELEASE_PATH
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("status", "explain"), [(404, taxi_server.explain), (403, taxi_server.explain_closed)], ids=["missing", "closed"]
)
def test_both_servers_of_taxi_files_say_the_same_about_a_month(status: int, explain: Callable[[str], str]) -> None:
    nginx = (ROOT / "services/internet/conf.d/taxi.conf").read_text()
    text = re.search(rf'return {status} "(Orionbox.*)";', nginx)
    assert text
    month = {"$color": "green", "$file": "green_tripdata_2031-01.csv.gz", "$year": "2031", "$month": "1", "\\n": "\n"}
    expected = text[1]
    for variable, value in month.items():
        expected = expected.replace(variable, value)
    assert explain("green/green_tripdata_2031-01.csv.gz") == expected


def test_a_month_that_the_data_folder_does_not_have_comes_from_the_samples(tmp_path: Path) -> None:
    name, data, samples = "green/green_tripdata_2021-01.csv.gz", tmp_path / "data", tmp_path / "samples"
    for folder in (data, samples):
        (folder / "green").mkdir(parents=True)
    (samples / name).write_text("sample")

    def fetch(port: int) -> str:
        with urlopen(f"http://127.0.0.1:{port}/{RELEASE_PATH}/{name}", timeout=20) as answer:
            return str(answer.read().decode())

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(taxi_server.Release, [data, samples])) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert fetch(server.server_port) == "sample"
        (data / name).write_text("the user's own")
        assert fetch(server.server_port) == "the user's own"
        (data / name).unlink()
        (data / name).symlink_to("/nowhere/x")
        with pytest.raises(HTTPError):  # and not the sample without a word
            fetch(server.server_port)
        server.shutdown()


def test_a_file_that_this_user_cannot_read_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "green/green_tripdata_2021-01.csv.gz"
    (tmp_path / "green").mkdir()
    (tmp_path / name).write_text("")

    def refuse(path: Path, mode: str) -> None:  # root can read all files
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(taxi_server.Release, [tmp_path, tmp_path / "samples"])
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(HTTPError) as error:
            urlopen(f"http://127.0.0.1:{server.server_port}/{RELEASE_PATH}/{name}", timeout=20)
        server.shutdown()
    with error.value as answer:
        assert answer.code == 403
        assert answer.read().decode() == taxi_server.explain_closed(name)


@pytest.mark.parametrize(
    "name", ["../.env", "green/../../.env", ".part-sources.json", "green/yellow_tripdata_2021-01.csv.gz", "/healthz"]
)
def test_only_files_of_the_release_are_served(name: str) -> None:
    assert taxi_server.content_type(name) is None
