"""The taxi files in data/: imported, downloaded from a release that is a fake API, or generated."""

from __future__ import annotations

import errno
import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli import taxi_files
from orionbox.errors import BadInputError, CommandError
from orionbox.trips.months import GENERATED_MARK, TripFile
from tests.unit.fake_api import Answer, FakeApi, answer_garbage, close_connection, json_answer, raw_answer

JANUARY, FEBRUARY = TripFile("green", 2021, 1), TripFile("green", 2021, 2)
MONTH = JANUARY.csv_path
CSV = gzip.compress(b"lpep_pickup_datetime,trips\n" + os.urandom(100_000).hex().encode() + b"\n")
GENERATE = "import gzip, sys; sys.stdout.buffer.write(gzip.compress(b'pickup_datetime\\n1\\n'))"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of an empty checkout."""
    monkeypatch.setattr(taxi_files, "ROOT", tmp_path)
    monkeypatch.setattr(taxi_files, "DATA", tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def release(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with FakeApi(route=lambda path, body: "zones").serving() as api:
        monkeypatch.setattr(taxi_files, "RELEASE_URL", api.url)
        monkeypatch.setattr(taxi_files, "DOWNLOAD_TIMEOUT", 2)
        yield api


def runtime(program: str = GENERATE) -> Any:
    """A runtime that generates trips with this program."""
    return SimpleNamespace(flows_command=lambda *arguments: [sys.executable, "-c", program], prepare=lambda: None)


def nothing() -> Any:
    raise AssertionError("not asked for")


def a_folder(path: Path, **contents: bytes) -> Path:
    """A folder with these files; for example its file green/green_tripdata_2021-01.csv.gz."""
    for name, content in contents.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def fill(folder: Path | str) -> int:
    return taxi_files.import_or_get(str(folder), nothing, nothing)


# --- what is asked for ---


def test_months_of_the_release_are_named_by_their_numbers(data: Path) -> None:
    assert taxi_files.parse_months("green", "2021", "2,1") == [JANUARY, FEBRUARY]


def test_a_month_that_the_release_lacks_must_be_in_the_data_folder(data: Path) -> None:
    with pytest.raises(BadInputError, match=r"green 2021-12: no such month; the release has 2019-01 to 2021-07; put"):
        taxi_files.parse_months("green", "2021", "12")
    a_folder(data, **{"green/green_tripdata_2021-12.csv.gz": CSV})
    assert len(taxi_files.parse_months("green", "2021", "12")) == 1


# --- importing ---


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "nowhere: there is no such folder"),
        ("empty", r"empty: no file in it is named like green/green_tripdata_2021-01\.csv\.gz"),
        ("from/green/a.csv.gz", r"from/green/a\.csv\.gz is a file; name its folder: make data FROM=from/green"),
    ],
)
def test_an_import_without_taxi_files_is_refused(data: Path, name: str, words: str) -> None:
    a_folder(data.parent, **{"from/green/a.csv.gz": CSV})
    (data.parent / "empty").mkdir()
    with pytest.raises(BadInputError, match=words):
        fill(name)
    assert not data.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\x1f\x8b",
        gzip.compress(b"<html>"),
        CSV[: len(CSV) // 2],
        CSV[:-1],
        CSV[:50_000] + bytes(100) + CSV[50_100:],
    ],
)
def test_a_file_that_is_not_a_complete_taxi_file_is_not_imported(data: Path, content: bytes) -> None:
    folder = a_folder(data.parent / "from", **{MONTH: content})
    with pytest.raises(BadInputError, match=f"{folder / MONTH}.*nothing of it was imported"):
        fill(folder)
    assert not list(data.rglob("*.gz*"))


def test_an_imported_file_is_noted_as_such(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = a_folder(data.parent / "from", **{"misc/taxi_zone_lookup.csv": b'"LocationID"\n', MONTH: CSV})
    assert fill(folder) == 0
    assert (data / "misc" / "taxi_zone_lookup.csv").read_text() == '"LocationID"\n'
    assert (data / MONTH).read_bytes() == CSV
    assert taxi_files.read_sources() == {"misc/taxi_zone_lookup.csv": "import", MONTH: "import"}
    assert f"data/{MONTH}: import, 0.1 MB" in capsys.readouterr().out
    assert taxi_files.list_taxi_files() == [data / MONTH, data / "misc" / "taxi_zone_lookup.csv", data / "sources.json"]


def test_files_of_another_data_folder_keep_their_source(data: Path) -> None:
    folder = a_folder(data.parent / "from", **{MONTH: CSV})
    (folder / "sources.json").write_text(json.dumps({MONTH: "download"}))
    fill(folder)
    assert taxi_files.read_sources() == {MONTH: "download"}


def test_a_disk_without_room_is_not_blamed_on_the_file(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    folder = a_folder(data.parent / "from", **{MONTH: CSV})
    with pytest.raises(CommandError, match=f"data/{MONTH} was not written: no space left on the disk"):
        fill(folder)
    assert not list(data.rglob("*.gz*"))


# --- downloading and generating ---


def test_the_first_month_that_is_downloaded_brings_the_names_of_the_zones(data: Path, release: FakeApi) -> None:
    release.answers = [raw_answer(CSV), raw_answer(b"zones"), raw_answer(CSV)]
    taxi_files.ensure([JANUARY, FEBRUARY], cast(Any, None))
    names = [path.removeprefix("/") for _, path, _ in release.requests]
    assert names == [MONTH, "misc/taxi_zone_lookup.csv", FEBRUARY.csv_path]
    assert taxi_files.read_sources() == dict.fromkeys(names, "download")
    assert (data / MONTH).read_bytes() == CSV and (data / MONTH).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (raw_answer(CSV[:1000], length=1_000_000), "the connection ended after 1,000 of 1,000,000 bytes"),
        (raw_answer(CSV[:1000]), "not a complete gzip file"),
        (raw_answer(b"<html>please log in</html>"), "not a complete gzip file"),
        (json_answer({}, 404), "HTTP Error 404"),
        (close_connection, "Remote end closed connection without response"),
        (answer_garbage, "220 mail.example.org ESMTP"),
    ],
)
def test_a_month_that_does_not_arrive_completely_is_generated_and_marked(
    data: Path, release: FakeApi, answer: Answer, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release.answers = [answer]
    taxi_files.ensure([JANUARY], runtime())
    said = capsys.readouterr().out
    assert f"data/{MONTH}: cannot be downloaded here (" in said and reason in said
    assert f"data/{MONTH}: generated, because the real file was not available" in said
    assert gzip.decompress((data / MONTH).read_bytes()) == b"pickup_datetime\n1\n"
    assert taxi_files.read_sources() == {MONTH: "synthetic"}


def test_a_disk_that_is_full_while_a_month_arrives_generates_nothing(
    data: Path, release: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    release.answers = [raw_answer(CSV)]
    with pytest.raises(CommandError, match="was not written: no space left on the disk of .*; delete something"):
        taxi_files.ensure([JANUARY], runtime("raise SystemExit('not asked for')"))
    assert not (data / MONTH).exists()


def test_a_generator_that_fails_leaves_nothing(data: Path, release: FakeApi) -> None:
    release.answers = [close_connection]
    with pytest.raises(CommandError, match=f"data/{MONTH}: could not be generated"):
        taxi_files.ensure([JANUARY], runtime("print('half'); raise SystemExit(3)"))
    assert not list(data.rglob("*.gz*"))
    assert taxi_files.read_sources() == {}


@pytest.mark.parametrize(("content", "source"), [(CSV, "import"), (GENERATED_MARK, "synthetic")])
def test_a_file_that_the_user_has_put_there_is_noted_too(data: Path, content: bytes, source: str) -> None:
    a_folder(data, **{MONTH: content})
    taxi_files.ensure([JANUARY], cast(Any, None))
    assert taxi_files.read_sources() == {MONTH: source}


def test_months_are_filled_in_with_the_runtime_that_is_in_use(data: Path) -> None:
    prepared: list[str] = []
    platform = SimpleNamespace(prepare=lambda: prepared.append("prepared"))
    a_folder(data, **{MONTH: CSV})
    assert taxi_files.import_or_get("", lambda: [JANUARY], lambda: cast(Any, platform)) == 0
    assert prepared == ["prepared"]


def test_a_file_appears_in_the_data_folder_when_it_is_complete(data: Path, release: FakeApi) -> None:
    release.answers = [close_connection]
    look = f"import pathlib; pathlib.Path('seen').write_text(str(pathlib.Path({str(data / MONTH)!r}).exists()))"
    taxi_files.ensure([JANUARY], runtime(f"{look}\n{GENERATE}"))
    assert (data / MONTH).exists() and (data.parent / "seen").read_text() == "False"
