"""The taxi files in data/: imported, downloaded, or where neither can be, generated and marked as such.

`data/sources.json` says of each file which of the three it is; the platform's stand-in for the internet serves it too.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from cli.programs import ROOT, environment, say
from cli.runtimes.runtime import Runtime
from orionbox.errors import BadInputError, CommandError
from orionbox.trips.months import FIRST_MONTH, LAST_MONTH, RELEASE_URL, TripFile, parse_csv_path, parse_trip_files

DATA = ROOT / "data"
SOURCES = DATA / "sources.json"
ZONES = ("misc/taxi_zone_lookup.csv", "misc/taxi+_zone_lookup.csv")
DOWNLOAD_TIMEOUT = 10
"""Seconds without an answer after which the release counts as out of reach."""
SYNTHETIC_MARK = b"orionbox synthetic"
"""The comment in a generated file's gzip header (RFC 1952, FCOMMENT), set by `orionbox.trips.generated`."""


def wanted_files() -> list[TripFile]:
    """The months that COLOR, YEAR and MONTHS ask for.

    Raises:
        BadInputError: one of them is impossible, or a month exists nowhere.
    """
    env = os.environ
    files = parse_trip_files(env.get("COLOR", "yellow"), env.get("YEAR", "2021"), env.get("MONTHS", "1,2"))
    for trips in files:
        if not trips.in_release and not (DATA / trips.csv_path).exists():
            first, last = ("{}-{:02}".format(*month) for month in (FIRST_MONTH, LAST_MONTH))
            raise BadInputError(
                f"{trips.color} {trips.year}-{trips.month:02}: no such month; the release has {first} to {last}. "
                f"Put the file in as data/{trips.csv_path}, or with: make data FROM=folder"
            )
    return files


def fill(runtime: Runtime) -> int:
    """Imports the folder FROM; without it, gets the months asked for."""
    folder = os.environ.get("FROM", "")
    if folder:
        return import_folder(Path(folder).expanduser())
    files = wanted_files()
    runtime.prepare()
    ensure(files, runtime)
    return 0


def import_folder(folder: Path) -> int:
    """Copies every taxi file of the release's layout below `folder`; one that is there already is not copied again."""
    if not folder.is_dir():
        raise BadInputError(f"FROM={folder}: there is no such folder")
    found = _found(folder)
    if not found:
        raise BadInputError(f"FROM={folder}: no file in it is named like green/green_tripdata_2021-01.csv.gz")
    for path in found:
        source = _check(path)
        name = _release_path(path)
        _copy(path, name)
        _note(name, source)
        say(f"data/{name}: {source}, {path.stat().st_size / 1e6:.1f} MB")
    return 0


def taxi_files() -> list[Path]:
    """Every file of the release that is in data/, and the list that says where they came from."""
    return [*_found(DATA), *filter(Path.is_file, [SOURCES])]


def take_over(folder: Path) -> None:
    """Copies the taxi files of another data/, just as they are, with what its own list says of each."""
    known = sources(folder)
    for path in _found(folder):
        name = _release_path(path)
        _copy(path, name)
        _note(name, known.get(name, "import"))
        say(f"data/{name}: {sources()[name]}, {path.stat().st_size / 1e6:.1f} MB")


def _found(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and _release_path(path)]


def _release_path(path: Path) -> str:
    """Where a file belongs below data/; empty if it is none of ours."""
    name = f"{path.parent.name}/{path.name}"
    return name if name in ZONES or parse_csv_path(name) else ""


def _check(path: Path) -> str:
    """Whether the file is real (`import`) or generated (`synthetic`)."""
    if path.suffix != ".gz":
        return "import"
    try:
        with gzip.open(path) as stream:
            header = stream.readline(65_536)
    except (OSError, EOFError) as error:
        raise BadInputError(f"{path}: not a gzip file ({error}); nothing of it was imported") from error
    if b"pickup_datetime" not in header:
        raise BadInputError(f"{path}, line 1: not the header of a taxi file; nothing of it was imported")
    return "synthetic" if is_marked(path) else "import"


def is_marked(path: Path) -> bool:
    """Whether a gzip file says of itself that it was generated."""
    with path.open("rb") as file:
        return SYNTHETIC_MARK in file.read(128)


def _copy(source: Path, name: str) -> None:
    partial = _partial(name)
    shutil.copyfile(source, partial)
    partial.chmod(0o644)
    os.replace(partial, DATA / name)


def ensure(files: list[TripFile], runtime: Runtime) -> None:
    """Gets what is not in data/ yet: from the release, or generated where that is out of reach."""
    for trips in files:
        path = DATA / trips.csv_path
        if path.exists():
            if trips.csv_path not in sources():  # put there by hand
                _note(trips.csv_path, "synthetic" if is_marked(path) else "import")
            say(f"data/{trips.csv_path}: {sources()[trips.csv_path]}")
            continue
        if not _download(trips.csv_path):
            _generate(trips, runtime)
        elif not any((DATA / name).exists() for name in ZONES):
            _download(ZONES[0])


def _download(name: str) -> bool:
    """Gets a file of the release; False where it is out of reach."""
    partial = _partial(name)
    try:
        with urlopen(f"{RELEASE_URL}/{name}", timeout=DOWNLOAD_TIMEOUT) as response, partial.open("wb") as file:
            shutil.copyfileobj(response, file)
    except (URLError, OSError) as error:
        partial.unlink(missing_ok=True)
        say(f"data/{name}: cannot be downloaded here ({error})")
        return False
    _adopt(partial, name, "download")
    return True


def _generate(trips: TripFile, runtime: Runtime) -> None:
    partial = _partial(trips.csv_path)
    command = runtime.flows_command("orionbox.trips.generated", trips.color, str(trips.year), str(trips.month))
    with partial.open("wb") as file:
        done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=file)
    if done.returncode:
        partial.unlink()
        raise CommandError(f"data/{trips.csv_path}: could not be generated; see above")
    _adopt(partial, trips.csv_path, "synthetic")


def _partial(name: str) -> Path:
    """Where a file of data/ is written, until it is whole."""
    path = DATA / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".part-{path.name}")


def _adopt(partial: Path, name: str, source: str) -> None:
    os.replace(partial, DATA / name)
    _note(name, source)
    remark = " (made-up trips, for want of the real file)" if source == "synthetic" else ""
    say(f"data/{name}: {source}{remark}")


def sources(folder: Path | None = None) -> dict[str, str]:
    """Where each file came from, in data/ or in another folder like it."""
    file = folder / SOURCES.name if folder else SOURCES
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _note(name: str, source: str) -> None:
    partial = _partial(SOURCES.name)
    partial.write_text(json.dumps({**sources(), name: source}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    partial.chmod(0o644)
    os.replace(partial, SOURCES)
