"""The taxi files in data/: imported, downloaded, or generated if neither is possible.

`data/sources.json` says which of the three each file is. Service `internet` serves this list, too.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.request import urlopen

from cli.environments import inherited
from cli.programs import CHUNK, ROOT, say, user_path
from cli.runtimes.runtime import Runtime
from cli.waiting import waiting_for
from orionbox import files
from orionbox.errors import BadInputError, CommandError
from orionbox.trips.months import (
    FIRST_MONTH,
    GENERATED_MARK,
    LAST_MONTH,
    RELEASE_URL,
    TripFile,
    parse_csv_path,
    parse_trip_files,
)

DATA = ROOT / "data"
SOURCES = "sources.json"
ZONES = ("misc/taxi_zone_lookup.csv", "misc/taxi+_zone_lookup.csv")
DOWNLOAD_TIMEOUT = 10
"""Seconds without an answer after which the release counts as unreachable."""


class IncompleteTaxiFileError(BadInputError):
    """A file that is not a complete taxi file, or could not be downloaded."""


def parse_months(color: str, year: str, months: str) -> list[TripFile]:
    """Returns the months that a user has typed.

    Raises:
        BadInputError: a color, year or month is invalid, or a month is neither in the release nor in data/.
    """
    parsed = parse_trip_files(color, year, months)
    for trips in parsed:
        if not trips.in_release and not (DATA / trips.csv_path).exists():
            first, last = ("{}-{:02}".format(*month) for month in (FIRST_MONTH, LAST_MONTH))
            raise BadInputError(
                f"{trips.color} {trips.year}-{trips.month:02}: no such month; the release has {first} to {last}",
                f"put the file in as data/{trips.csv_path}, or import it: make data FROM=FOLDER",
            )
    return parsed


def import_or_get(folder: str, months: Callable[[], Sequence[TripFile]], runtime: Callable[[], Runtime]) -> int:
    """Imports the taxi files of a folder, or gets months if no folder is named.

    Args:
        folder: as typed; empty for months.
        months: returns the requested months; an import does not call it.
        runtime: returns the runtime, which may have to generate them.
    """
    if folder:
        _import_user_folder(folder)
    else:
        needed, platform = months(), runtime()
        platform.prepare()
        ensure(needed, platform)
    return 0


def _import_user_folder(name: str) -> None:
    folder = ROOT / user_path(name)
    if folder.is_file():
        raise BadInputError(f"{name} is a file", f"name its folder: make data FROM={Path(name).parent}")
    if not folder.is_dir():
        raise BadInputError(f"{name}: there is no such folder", "name one with taxi files: make data FROM=FOLDER")
    if not import_folder(folder):
        raise BadInputError(f"{name}: no file in it is named like green/green_tripdata_2021-01.csv.gz")


def import_folder(folder: Path) -> list[str]:
    """Copies every taxi file below `folder` that is named as in the release; returns their names.

    Raises:
        BadInputError: one of the files is not a complete taxi file.
    """
    known = read_sources(folder)
    names = {_release_path(path): path for path in _taxi_files_in(folder)}
    for name, path in names.items():
        with _new_taxi_file(name, str(path)) as file, path.open("rb") as content, waiting_for(f"the copy of {path}"):
            shutil.copyfileobj(content, file, CHUNK)
        _record_source(name, known.get(name) or detect_source(path))
        say(f"data/{name}: {read_sources()[name]}, {path.stat().st_size / 1e6:.1f} MB")
    return list(names)


def list_taxi_files() -> list[Path]:
    """Returns every file of the release that is in data/, and the list of where they came from."""
    return [*_taxi_files_in(DATA), *filter(Path.is_file, [DATA / SOURCES])]


def ensure(months: Sequence[TripFile], runtime: Runtime) -> None:
    """Downloads the months that are not in data/ yet, or generates them if the release is unreachable."""
    for trips in months:
        name = trips.csv_path
        if (DATA / name).exists():
            if name not in read_sources():  # the user has put it there
                _record_source(name, detect_source(DATA / name))
            say(f"data/{name}: {read_sources()[name]}")
        elif not _download(name):
            _generate(trips, runtime)
        elif not any((DATA / zones).exists() for zones in ZONES):
            _download(ZONES[0])


def read_sources(folder: Path | None = None) -> dict[str, str]:
    """Returns where each file came from, in data/ or in another folder of that form."""
    found = files.read_json((folder or DATA) / SOURCES, "delete it; Orionbox looks at the files themselves then")
    return {name: str(source) for name, source in found.items()}


def _record_source(name: str, source: str) -> None:
    content = json.dumps({**read_sources(), name: source}, indent=2, sort_keys=True)
    files.write(DATA / SOURCES, content + "\n")


def _taxi_files_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and _release_path(path)]


def _release_path(path: Path) -> str:
    """Returns where a file belongs below data/; empty if it is not a file of the release."""
    name = f"{path.parent.name}/{path.name}"
    return name if name in ZONES or parse_csv_path(name) else ""


def detect_source(path: Path) -> str:
    """Returns `synthetic` for a generated file, and `import` for any other."""
    with path.open("rb") as file:
        return "synthetic" if GENERATED_MARK in file.read(128) else "import"


# --- new files ---


def _download(name: str) -> bool:
    """Downloads a file of the release; prints the reason and returns False if that is not possible."""
    try:
        with _new_taxi_file(name, f"{RELEASE_URL}/{name}") as file, waiting_for(f"the download of data/{name}"):
            for chunk in _download_chunks(f"{RELEASE_URL}/{name}"):
                file.write(chunk)
    except IncompleteTaxiFileError as error:
        say(f"data/{name}: cannot be downloaded here ({error.text})")
        return False
    _record_source(name, "download")
    say(f"data/{name}: download")
    return True


def _download_chunks(url: str) -> Iterator[bytes]:
    """Downloads a file, a chunk at a time.

    Raises:
        IncompleteTaxiFileError: the server is unreachable, or did not send the complete file.
    """
    received = 0
    try:
        with urlopen(url, timeout=DOWNLOAD_TIMEOUT) as response:
            announced = response.headers.get("Content-Length")
            while chunk := response.read(CHUNK):
                received += len(chunk)
                yield chunk
    except (OSError, HTTPException) as error:
        raise IncompleteTaxiFileError(str(error).strip() or type(error).__name__) from error
    if announced not in (None, str(received)):
        raise IncompleteTaxiFileError(f"the connection ended after {received:,} of {int(announced):,} bytes")


def _generate(trips: TripFile, runtime: Runtime) -> None:
    name = trips.csv_path
    command = runtime.flows_command("orionbox.trips.generated", trips.color, str(trips.year), str(trips.month))
    with _new_taxi_file(name, f"data/{name}") as file, waiting_for(f"the generation of data/{name}"):
        if subprocess.run(command, cwd=ROOT, env=inherited.for_tools(), stdout=file).returncode:
            raise CommandError(f"data/{name}: could not be generated; the message is above")
    _record_source(name, "synthetic")
    say(f"data/{name}: generated, because the real file was not available")


@contextmanager
def _new_taxi_file(name: str, origin: str) -> Iterator[IO[bytes]]:
    """Opens a new file in data/, which is kept only if it is a complete taxi file.

    Args:
        name: below data/.
        origin: where its content comes from, for messages.

    Raises:
        IncompleteTaxiFileError: the content is not a complete taxi file.
        CommandError: the file cannot be written; the disk may be full.
    """
    path = DATA / name
    with files.report_file_errors(f"data/{name} was not written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.new_file(path, 0o644) as file:
            yield file
            file.flush()
            if path.suffix == ".gz":
                with waiting_for(f"the check of data/{name}"):
                    _require_complete(file, origin)


def _require_complete(file: IO[bytes], origin: str) -> None:
    """Checks a gzip file by decompressing it."""
    file.seek(0)
    try:
        with gzip.open(file) as content:
            if b"pickup_datetime" not in content.readline(65_536):
                raise IncompleteTaxiFileError(
                    f"{origin}, line 1: not the header of a taxi file; nothing of it was imported"
                )
            while content.read(CHUNK):
                pass
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise IncompleteTaxiFileError(
            f"{origin}: not a complete gzip file ({error}); nothing of it was imported"
        ) from error
