from __future__ import annotations

import gzip
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from orionbox.errors import CommandError, OrionboxError
from orionbox.release import make_file, urls
from orionbox.release.store import Found, Order, Refusal, TaxiFiles
from orionbox.trips.generated import csv_text
from orionbox.trips.months import RELEASE_PATH
from orionbox.trips.row_counts import Month
from orionbox.trips.taxi_file import Contents
from tests.conftest import ROOT

JANUARY = "green/green_tripdata_2021-01.csv.gz"
ROWS = 300


def in_this_process(order: Order) -> tuple[int, bool]:
    """A subprocess would import pyarrow again."""
    try:
        return make_file.make(order.target, order.form, order.month, order.rows, order.source)
    except OrionboxError as error:
        raise CommandError(str(error)) from error


class Folder:
    """A data folder, and the store that serves it."""

    def __init__(self, root: Path) -> None:
        self.data, self.samples, self.made = root / "data", root / "samples", root / "made"
        self.lines: list[str] = []
        self.files = self.restart()

    def restart(self, most_rows: int = ROWS) -> TaxiFiles:
        self.files = TaxiFiles([self.data, self.samples], self.made, most_rows, self.lines.append, in_this_process)
        return self.files

    def put(self, name: str, content: bytes, folder: str = "data") -> Path:
        path: Path = getattr(self, folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def get(self, name: str) -> Found:
        return self.ask(f"/{RELEASE_PATH}/{name}")

    def ask(self, path: str) -> Found:
        request = urls.parse(path)
        assert request
        return self.files.get(request)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def green_csv(rows: int) -> bytes:
    return b"".join(bytes(text) for text in csv_text(Month("green", 2021, 1), rows))


def test_a_real_file_wins_and_its_rows_are_counted(folder: Folder) -> None:
    path = folder.put(JANUARY, (ROOT / "samples" / JANUARY).read_bytes())
    assert folder.get(JANUARY) == Found(path, Contents("real", 76_518))
    assert not folder.made.exists()


def test_a_file_with_fewer_rows_than_the_real_month_is_an_excerpt(folder: Folder) -> None:
    path = folder.put(JANUARY, gzip.compress(green_csv(40)))
    assert folder.get(JANUARY) == Found(path, Contents("excerpt", 40))


def test_the_user_s_folder_wins_over_the_samples(folder: Folder) -> None:
    sample = folder.put(JANUARY, gzip.compress(green_csv(50)), "samples")
    assert folder.get(JANUARY).path == sample
    own = folder.put(JANUARY, gzip.compress(green_csv(40)))
    assert folder.get(JANUARY).path == own


def test_a_damaged_file_is_served_as_it_is(folder: Folder) -> None:
    path = folder.put(JANUARY, gzip.compress(green_csv(40))[:-20])
    assert folder.get(JANUARY) == Found(path, None)


def test_a_missing_month_is_generated_once_into_a_folder_of_its_own(folder: Folder) -> None:
    found = folder.get(JANUARY)
    assert found == Found(folder.made / JANUARY, Contents("generated", ROWS))
    assert len(gzip.open(found.path).readlines()) == ROWS + 1
    before = found.path.stat()
    assert folder.restart() and folder.get(JANUARY) == found
    assert found.path.stat() == before and not folder.data.exists()
    assert (
        folder.lines[0]
        == f"green_tripdata_2021-01.csv.gz: generating {ROWS} rows, because data/ does not have this month"
    )
    assert len(folder.lines) == 2, "the start and the end of one generation"


def test_two_first_requests_make_one_file(folder: Folder) -> None:
    with ThreadPoolExecutor(4) as clients:
        found = set(clients.map(folder.get, [JANUARY] * 4))
    assert len(found) == 1 and len(folder.lines) == 2


def test_a_file_that_is_there_does_not_wait_for_another_that_is_being_made(folder: Folder) -> None:
    there, begun, go_on = folder.get(JANUARY), threading.Event(), threading.Event()

    def wait(order: Order) -> tuple[int, bool]:
        begun.set()
        assert go_on.wait(60)
        return in_this_process(order)

    slow = TaxiFiles([folder.data], folder.made, ROWS, folder.lines.append, wait)
    january, march = (urls.parse(f"/{RELEASE_PATH}/green/green_tripdata_2021-0{month}.csv.gz") for month in (1, 3))
    assert january and march
    with ThreadPoolExecutor(1) as clients:
        other = clients.submit(slow.get, march)
        assert begun.wait(60)
        assert slow.get(january) == there and not other.done()
        go_on.set()
    assert other.result().contents == Contents("generated", ROWS)


def test_another_number_of_rows_makes_the_file_again(folder: Folder) -> None:
    folder.get(JANUARY)
    folder.restart(most_rows=ROWS + 1)
    assert folder.get(JANUARY).contents == Contents("generated", ROWS + 1)


def test_without_a_limit_a_month_has_the_real_month_s_rows(folder: Folder) -> None:
    folder.restart(most_rows=0)
    assert folder.get("green/green_tripdata_2020-04.csv.gz").contents == Contents("generated", 35_612)


def test_a_month_that_the_user_puts_there_later_replaces_the_generated_one(folder: Folder) -> None:
    folder.get(JANUARY)
    path = folder.put(JANUARY, gzip.compress(green_csv(40)))
    assert folder.get(JANUARY) == Found(path, Contents("excerpt", 40))


def test_a_half_written_file_is_not_served(folder: Folder) -> None:
    (folder.made / JANUARY).parent.mkdir(parents=True)
    (folder.made / JANUARY).write_bytes(b"half")
    assert gzip.open(folder.get(JANUARY).path).readline().startswith(b"VendorID")


@pytest.mark.parametrize("link", [JANUARY, "green"])
def test_a_broken_link_is_an_error_and_not_a_generated_month(folder: Folder, link: str) -> None:
    (folder.data / link).parent.mkdir(parents=True)
    (folder.data / link).symlink_to("/nowhere/else")
    with pytest.raises(Refusal, match="is a link to /nowhere/else, which the platform cannot follow") as refusal:
        folder.get(JANUARY)
    assert refusal.value.status == HTTPStatus.NOT_FOUND and not folder.made.exists()
    with pytest.raises(Refusal, match="is a link to /nowhere/else"):
        folder.ask("/trip-data/green_tripdata_2021-01.parquet")


def test_a_folder_by_the_name_of_a_month_is_an_error(folder: Folder) -> None:
    (folder.data / JANUARY).mkdir(parents=True)
    with pytest.raises(Refusal, match="cannot be read: Is a directory"):
        folder.get(JANUARY)


def test_a_closed_file_is_an_error_that_says_how_to_open_it(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put(JANUARY, b"")

    def refuse(path: Path, mode: str) -> None:  # root can read all files
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(Refusal, match="sudo chmod -R a\\+rX data") as refusal:
        folder.get(JANUARY)
    assert refusal.value.status == HTTPStatus.FORBIDDEN and not folder.made.exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"/{RELEASE_PATH}/green/green_tripdata_2021-08.csv.gz", "The course's release has 2019-01 to 2021-07"),
        (f"/{RELEASE_PATH}/green/green_tripdata_2021-1.csv.gz", "named like green_tripdata_2021-01.csv.gz"),
        (f"/{RELEASE_PATH}/green/green_tripdata_2021-13.csv.gz", "The course's release has 2019-01"),
        (f"/{RELEASE_PATH}/fhvhv/fhvhv_tripdata_2021-01.csv.gz", "generates months of yellow, green, fhv only"),
        ("/trip-data/green_tripdata_2013-12.parquet", "The TLC has 2014-01 to"),
        ("/trip-data/yellow_tripdata_2999-01.parquet", "The TLC has 2009-01 to"),
        (f"/{RELEASE_PATH}/misc/nothing.csv", "has no misc/nothing.csv"),
    ],
)
def test_what_was_never_published_is_refused(folder: Folder, path: str, words: str) -> None:
    with pytest.raises(Refusal, match=words) as refusal:
        folder.ask(path)
    assert refusal.value.status == HTTPStatus.NOT_FOUND and not folder.made.exists()


def test_a_month_whose_rows_are_not_known_says_that_they_are_estimated(folder: Folder) -> None:
    found = folder.ask("/trip-data/yellow_tripdata_2022-01.parquet")
    assert found.contents == Contents("generated", ROWS)
    assert folder.lines[0].endswith("; the number of rows is an estimate")


def test_the_parquet_of_a_real_month_has_its_rows(folder: Folder) -> None:
    csv = green_csv(40)
    folder.put(JANUARY, gzip.compress(csv))
    found = folder.ask("/trip-data/green_tripdata_2021-01.parquet")
    table = pq.read_table(found.path)
    assert found.contents == Contents("excerpt", 40) and table.num_rows == 40
    expected = pyarrow.csv.read_csv(pyarrow.BufferReader(csv))
    assert table["total_amount"].to_pylist() == expected["total_amount"].cast("float64").to_pylist()
    folder.put(JANUARY, gzip.compress(green_csv(41)))
    assert folder.ask("/trip-data/green_tripdata_2021-01.parquet").contents == Contents("excerpt", 41)


def test_the_parquet_and_the_csv_of_a_generated_month_have_the_same_rows(folder: Folder) -> None:
    name = "yellow/yellow_tripdata_2020-05"
    csv = pyarrow.csv.read_csv(folder.get(f"{name}.csv.gz").path)
    parquet = pq.read_table(folder.ask("/trip-data/yellow_tripdata_2020-05.parquet").path)
    plain = folder.ask("/nyc-tlc/trip+data/yellow_tripdata_2020-05.csv").path
    assert parquet.schema.metadata[b"orionbox.data"] == b"generated"
    for column in ("total_amount", "PULocationID", "VendorID"):
        assert parquet[column].cast("float64").to_pylist() == csv[column].cast("float64").to_pylist()
    pickups = [moment.isoformat() for moment in csv["tpep_pickup_datetime"].to_pylist()]
    assert [moment.isoformat() for moment in parquet["tpep_pickup_datetime"].to_pylist()] == pickups
    assert plain.read_bytes() == gzip.open(folder.get(f"{name}.csv.gz").path).read()


def test_hired_vehicles_of_2020_have_the_columns_of_that_year(folder: Folder) -> None:
    name = "fhv/fhv_tripdata_2020-02"
    content = folder.get(f"{name}.csv.gz").path.read_bytes()
    header = gzip.decompress(content).splitlines()[0].decode().split(",")
    assert header[2:5] == ["dropoff_datetime", "PULocationID", "DOLocationID"]
    folder.put(f"{name}.csv.gz", content)
    table = pq.read_table(folder.ask("/trip-data/fhv_tripdata_2020-02.parquet").path)
    assert table.num_rows == ROWS and table.column_names[2:5] == ["dropOff_datetime", "PUlocationID", "DOlocationID"]


def test_the_parquet_of_a_damaged_file_is_an_error_that_names_the_file(folder: Folder) -> None:
    folder.put(JANUARY, gzip.compress(green_csv(40))[:-20])
    with pytest.raises(Refusal, match="could not be made: green_tripdata_2021-01.csv.gz: ") as refusal:
        folder.ask("/trip-data/green_tripdata_2021-01.parquet")
    assert refusal.value.status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert not (folder.made / "green/green_tripdata_2021-01.parquet").exists()


def test_a_full_disk_is_an_error_that_says_what_to_do(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(Refusal, match="set GENERATED_ROWS in .env to fewer rows") as refusal:
        folder.get(JANUARY)
    assert refusal.value.status == HTTPStatus.INSUFFICIENT_STORAGE


def test_both_names_of_the_zone_lookup_are_served_and_the_user_s_file_wins(folder: Folder) -> None:
    names = ("misc/taxi_zone_lookup.csv", "misc/taxi+_zone_lookup.csv")
    for name in names:
        assert folder.get(name).path.read_bytes().count(b"\n") == 266
    own = folder.put(names[1], b"own")
    assert [folder.get(name).path for name in names] == [own, own]
