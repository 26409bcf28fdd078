"""The taxi files in data/: imported, or downloaded from a release that is a fake API; samples; generated months."""

from __future__ import annotations

import errno
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import taxi_files
from orionbox.errors import BadInputError, CommandError
from orionbox.trips import taxi_file
from orionbox.trips.months import GENERATED_MARK, TripFile
from orionbox.trips.schema import COLUMNS
from tests.unit.fake_api import Answer, FakeApi, answer_garbage, close_connection, json_answer, raw_answer

JANUARY, FEBRUARY = TripFile("green", 2021, 1), TripFile("green", 2021, 2)
MONTH = JANUARY.csv_path
HEADER = f"{','.join(COLUMNS['green'])}\n".encode()
CSV = gzip.compress(HEADER + os.urandom(100_000).hex().encode() + b"\n")
REAL = gzip.compress(HEADER + b"1\n" * 76_518)
MARKED = (
    b"\x1f\x8b\x08\x10"
    + bytes(4)
    + b"\x00\xff"
    + GENERATED_MARK
    + b"\0"
    + gzip.compress(HEADER + b"1\n2\n", mtime=0)[10:]
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of an empty checkout."""
    monkeypatch.setattr(taxi_files, "ROOT", tmp_path)
    monkeypatch.setattr(taxi_files, "DATA", tmp_path / "data")
    monkeypatch.setattr(taxi_files, "SAMPLES", tmp_path / "samples")
    return tmp_path / "data"


@pytest.fixture
def release(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with FakeApi(route=lambda path, body: "zones").serving() as api:
        monkeypatch.setattr(taxi_files, "RELEASE_URL", api.url)
        monkeypatch.setattr(taxi_files, "DOWNLOAD_TIMEOUT", 2)
        yield api


def runtime(infrastructure: str = "process", most_rows: str = "") -> Any:
    """A runtime, as far as the taxi files need one."""
    settings = {"GENERATED_ROWS": most_rows}
    return SimpleNamespace(infrastructure=infrastructure, settings=settings, prepare=lambda: None)


def nothing() -> Any:
    raise AssertionError("not asked for")


def a_folder(path: Path, **contents: bytes) -> Path:
    """A folder with these files; for example its file green/green_tripdata_2021-01.csv.gz."""
    for name, content in contents.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def fill(folder: Path | str, force: bool = False) -> int:
    return taxi_files.import_or_get(str(folder), nothing, nothing, force)


def get(force: bool = False) -> int:
    """What `make data` for January does."""
    return taxi_files.import_or_get("", lambda: [JANUARY], runtime, force)


def recorded() -> dict[str, tuple[str, int]]:
    """Kind and rows of each file, as data/sources.json has them."""
    return {name: (record.kind, record.rows) for name, record in taxi_files.read_sources().items()}


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


def test_an_imported_file_is_recorded_with_kind_and_rows(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zones = b'"LocationID"\n1\n'
    folder = a_folder(
        data.parent / "from", **{"misc/taxi_zone_lookup.csv": zones, MONTH: CSV, FEBRUARY.csv_path: MARKED}
    )
    assert fill(folder) == 0
    assert (data / "misc" / "taxi_zone_lookup.csv").read_bytes() == zones
    assert (data / MONTH).read_bytes() == CSV
    assert recorded() == {
        "misc/taxi_zone_lookup.csv": ("real", 1),
        MONTH: ("excerpt", 1),
        FEBRUARY.csv_path: ("generated", 2),
    }
    assert f"data/{MONTH}: excerpt, 1 rows, 0.1 MB" in capsys.readouterr().out
    assert data / "sources.json" in taxi_files.list_taxi_files() and len(taxi_files.list_taxi_files()) == 4


def test_a_broken_file_is_skipped_and_named_and_replaces_no_good_one(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_folder(data, **{MONTH: CSV})
    folder = a_folder(data.parent / "from", **{MONTH: CSV[:-1], FEBRUARY.csv_path: CSV})
    (folder / "green/green_tripdata_2021-03.csv.gz").symlink_to("/nowhere/x")
    (folder / "green/green_tripdata_2021-04.csv").write_text("unpacked")
    with pytest.raises(BadInputError, match="2 of 3 taxi files skipped; the reasons are above"):
        fill(folder)
    said = capsys.readouterr().out
    assert f"skipped {folder}/green/green_tripdata_2021-04.csv: not named like green/" in said
    assert f"skipped {folder / MONTH}: not a complete gzip file" in said
    assert f"skipped {folder}/green/green_tripdata_2021-03.csv.gz: a broken link to /nowhere/x" in said
    assert (data / MONTH).read_bytes() == CSV and (data / FEBRUARY.csv_path).read_bytes() == CSV


def test_a_file_on_a_failing_disk_is_skipped_and_named(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = a_folder(data.parent / "from", **{MONTH: CSV, FEBRUARY.csv_path: CSV})
    opened = Path.open

    def fail(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == folder / MONTH:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(BadInputError, match="1 of 2 taxi files skipped"):
        fill(folder)
    assert f"skipped {folder / MONTH}: cannot be read (Input/output error)" in capsys.readouterr().out
    assert (data / FEBRUARY.csv_path).exists() and not (data / MONTH).exists()


@pytest.mark.parametrize("worse", [CSV, MARKED], ids=["excerpt", "generated"])
def test_an_import_replaces_a_real_month_only_if_it_is_forced(
    data: Path, worse: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    a_folder(data, **{MONTH: REAL})
    folder = a_folder(data.parent / "from", **{MONTH: worse})
    with pytest.raises(BadInputError, match="1 of 1 taxi files skipped"):
        fill(folder)
    assert f"and data/{MONTH} is real, 76,518 rows; to replace it on purpose: FORCE=yes" in capsys.readouterr().out
    assert (data / MONTH).read_bytes() == REAL
    assert fill(folder, force=True) == 0
    assert (data / MONTH).read_bytes() == worse


def test_an_import_replaces_a_broken_file_and_a_broken_link(data: Path) -> None:
    a_folder(data, **{MONTH: CSV[:-1]})
    (data / FEBRUARY.csv_path).symlink_to("/nowhere/x")
    assert fill(a_folder(data.parent / "from", **{MONTH: MARKED, FEBRUARY.csv_path: MARKED})) == 0
    assert (data / MONTH).read_bytes() == (data / FEBRUARY.csv_path).read_bytes() == MARKED


def test_a_disk_without_room_is_not_blamed_on_the_file(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    folder = a_folder(data.parent / "from", **{MONTH: CSV})
    with pytest.raises(CommandError, match=f"data/{MONTH} was not written: no space left on the disk"):
        fill(folder)
    assert not list(data.rglob("*.gz*"))


# --- what a run gets ---


def test_a_month_of_the_samples_needs_no_file_in_the_data_folder(
    data: Path, release: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    a_folder(data.parent / "samples", **{MONTH: REAL})
    taxi_files.ensure([JANUARY], runtime())
    assert f"samples/{MONTH}: real, 76,518 rows" in capsys.readouterr().out
    assert not data.exists() and not release.requests


def test_the_user_s_own_file_goes_before_the_sample(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a_folder(data.parent / "samples", **{MONTH: REAL})
    a_folder(data, **{MONTH: CSV})
    taxi_files.ensure([JANUARY], runtime())
    assert f"data/{MONTH}: excerpt, 1 rows" in capsys.readouterr().out


def test_a_month_is_downloaded_once(data: Path, release: FakeApi) -> None:
    release.answers = [raw_answer(CSV)]
    taxi_files.ensure([JANUARY], runtime())
    taxi_files.ensure([JANUARY], runtime())
    assert [path.removeprefix("/") for _, path, _ in release.requests] == [MONTH]
    assert recorded() == {MONTH: ("excerpt", 1)}
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
def test_a_month_that_does_not_arrive_completely_is_left_to_the_platform_which_generates_it(
    data: Path, release: FakeApi, answer: Answer, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release.answers = [answer]
    taxi_files.ensure([JANUARY], runtime())
    said = capsys.readouterr().out
    assert f"data/{MONTH}: cannot be downloaded here (" in said and reason in said
    assert f"data/{MONTH}: not available here; the platform generates 76,518 rows" in said
    assert not (data / MONTH).exists() and recorded() == {}


def test_the_setting_for_smaller_months_is_part_of_the_announcement(
    data: Path, release: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    release.answers = [close_connection]
    taxi_files.ensure([JANUARY], runtime(most_rows="1000"))
    assert "the platform generates 1,000 rows" in capsys.readouterr().out


def test_a_disk_that_is_full_while_a_month_arrives_generates_nothing(
    data: Path, release: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    release.answers = [raw_answer(CSV)]
    with pytest.raises(CommandError, match="was not written: no space left on the disk of .*; delete something"):
        taxi_files.ensure([JANUARY], runtime())
    assert not (data / MONTH).exists()


def test_a_real_month_that_is_gone_is_generated_only_if_it_is_forced(data: Path, release: FakeApi) -> None:
    a_folder(data, **{MONTH: REAL})
    taxi_files.ensure([JANUARY], runtime())
    (data / MONTH).unlink()
    release.answers = [close_connection] * 2
    with pytest.raises(BadInputError, match=f"data/{MONTH}: this file was real data, and it is gone.*FORCE=yes"):
        taxi_files.ensure([JANUARY], runtime())
    taxi_files.ensure([JANUARY], runtime(), force=True)
    assert recorded() == {}, "the next run needs no force"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: path.symlink_to("/nowhere/x"), "a broken link to /nowhere/x"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: os.mkfifo(path), "not a file"),
    ],
)
def test_a_file_that_cannot_be_opened_stops_the_run_unless_it_is_forced(
    data: Path, release: FakeApi, change: Any, reason: str
) -> None:
    (data / "green").mkdir(parents=True)
    change(data / MONTH)
    with pytest.raises(BadInputError, match=f"data/{MONTH}: {reason}.*make data COLOR=green.*FORCE=yes"):
        taxi_files.ensure([JANUARY], runtime())
    assert os.path.lexists(data / MONTH)
    release.answers = [close_connection]
    taxi_files.ensure([JANUARY], runtime(), force=True)
    assert not os.path.lexists(data / MONTH) and os.path.lexists(data / f"{MONTH}.broken")


def test_a_link_that_containers_cannot_follow_stops_a_run_in_containers_only(data: Path) -> None:
    elsewhere = a_folder(data.parent / "elsewhere", **{MONTH: CSV}) / MONTH
    (data / "green").mkdir(parents=True)
    (data / MONTH).symlink_to(elsewhere)
    taxi_files.ensure([JANUARY], runtime())
    with pytest.raises(
        BadInputError, match=f"data/{MONTH}: a link to {elsewhere}, outside data/, which containers cannot"
    ):
        taxi_files.ensure([JANUARY], runtime("docker"))


@pytest.mark.parametrize(
    ("content", "kind"), [(CSV, ("excerpt", 1)), (MARKED, ("generated", 2)), (REAL, ("real", 76_518))]
)
def test_a_file_that_the_user_has_put_there_is_recorded_too(data: Path, content: bytes, kind: tuple[str, int]) -> None:
    a_folder(data, **{MONTH: content})
    taxi_files.ensure([JANUARY], runtime())
    assert recorded() == {MONTH: kind}


def test_a_file_that_has_changed_is_read_again_and_an_unchanged_one_is_not(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_folder(data, **{MONTH: CSV})
    taxi_files.ensure([JANUARY], runtime())
    with monkeypatch.context() as patch:
        patch.setattr(taxi_file, "read", nothing)
        taxi_files.ensure([JANUARY], runtime())
    (data / MONTH).write_bytes(REAL)
    taxi_files.ensure([JANUARY], runtime())
    assert recorded() == {MONTH: ("real", 76_518)}


def test_the_record_of_version_0_2_0_is_understood_and_renewed(data: Path) -> None:
    a_folder(data, **{MONTH: REAL, "sources.json": json.dumps({MONTH: "download", "x": "synthetic"}).encode()})
    assert recorded() == {MONTH: ("real", 0), "x": ("generated", 0)}
    taxi_files.ensure([JANUARY], runtime())
    assert recorded()[MONTH] == ("real", 76_518)


def test_a_damaged_file_is_named_and_left_to_the_run_which_names_the_line(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_folder(data, **{MONTH: CSV[:-1]})
    taxi_files.ensure([JANUARY], runtime())
    assert f"{MONTH}: not a complete gzip file" in capsys.readouterr().out


# --- `make data` for months ---


def test_months_are_filled_in_with_the_runtime_that_is_in_use(data: Path) -> None:
    prepared: list[str] = []
    platform = runtime()
    platform.prepare = lambda: prepared.append("prepared")
    a_folder(data, **{MONTH: CSV})
    assert taxi_files.import_or_get("", lambda: [JANUARY], lambda: platform) == 0
    assert prepared == ["prepared"]


@pytest.mark.parametrize("has_sample", [True, False])
def test_a_broken_file_is_replaced_by_a_good_one_and_kept_beside_it(
    data: Path, release: FakeApi, has_sample: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    a_folder(data, **{MONTH: CSV[:-1]})
    if has_sample:
        a_folder(data.parent / "samples", **{MONTH: REAL})
    release.answers = [raw_answer(REAL)]
    assert get() == 0
    assert (data / f"{MONTH}.broken").read_bytes() == CSV[:-1]
    assert has_sample != (data / MONTH).exists()
    assert f"data/{MONTH}: renamed to green_tripdata_2021-01.csv.gz.broken" in capsys.readouterr().out


def test_a_broken_file_stays_if_there_is_no_good_one(data: Path, release: FakeApi) -> None:
    a_folder(data, **{MONTH: CSV[:-1]})
    release.answers = [raw_answer(CSV[:1000])]
    with pytest.raises(
        BadInputError, match=f"data/{MONTH}: broken, and there is no other; import it: .*rm data/{MONTH}"
    ):
        get()
    assert (data / MONTH).read_bytes() == CSV[:-1] and not (data / f"{MONTH}.broken").exists()


def test_a_file_that_has_rotted_on_the_disk_is_noticed(data: Path, release: FakeApi) -> None:
    path = a_folder(data, **{MONTH: CSV}) / MONTH
    taxi_files.ensure([JANUARY], runtime())
    times = path.stat()
    path.write_bytes(CSV[:50_000] + bytes(100) + CSV[50_100:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    release.answers = [raw_answer(REAL)]
    assert get() == 0 and path.read_bytes() == REAL
