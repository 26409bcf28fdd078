"""The taxi files in data/: imported from a folder, or downloaded. The platform generates what is not there.

`data/sources.json` records the kind and the number of rows of each file.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, NamedTuple
from urllib.request import urlopen

from cli.programs import CHUNK, ROOT, say, user_path
from cli.runtimes.runtime import Runtime
from cli.waiting import waiting_for
from orionbox import files
from orionbox.errors import BadInputError
from orionbox.trips import kinds, taxi_file
from orionbox.trips.months import FIRST_MONTH, LAST_MONTH, RELEASE_URL, TripFile, parse_trip_files
from orionbox.trips.row_counts import expected_rows
from orionbox.trips.taxi_file import Contents, release_path, why_unusable

DATA, SAMPLES = ROOT / "data", ROOT / "samples"
SOURCES = "sources.json"
BROKEN = ".broken"
"""What `make data` appends to the name of a broken file that it replaces."""
DOWNLOAD_TIMEOUT = 10
"""Seconds without an answer after which the release counts as unreachable."""


class Record(NamedTuple):
    """What `sources.json` records about a file."""

    kind: str
    rows: int
    size: int
    """Bytes; -1 in a record of version 0.2.0, which is out of date then."""
    modified: int
    """Nanoseconds since 1970. A file with another time or size is read again."""


def parse_months(color: str, year: str, months: str) -> list[TripFile]:
    """Returns the months that a user has typed.

    Raises:
        BadInputError: a color, year or month is invalid, or a month is neither in the release nor in data/.
    """
    parsed = parse_trip_files(color, year, months)
    for trips in parsed:
        if not trips.in_release and not os.path.lexists(DATA / trips.csv_path):
            first, last = ("{}-{:02}".format(*month) for month in (FIRST_MONTH, LAST_MONTH))
            raise BadInputError(
                f"{trips.color} {trips.year}-{trips.month:02}: no such month; the release has {first} to {last}",
                f"put the file in as data/{trips.csv_path}, or import it: make data FROM=FOLDER",
            )
    return parsed


def import_or_get(
    folder: str, months: Callable[[], Sequence[TripFile]], runtime: Callable[[], Runtime], force: bool = False
) -> int:
    """Imports the taxi files of a folder, or gets months if no folder is named, and repairs broken ones.

    Args:
        folder: as typed; empty for months.
        months: returns the requested months; an import does not call it.
        runtime: returns the runtime for which they are.
        force: whether a file may replace one of a higher rank.
    """
    if folder:
        _import_user_folder(folder, force)
    else:
        needed, platform = months(), runtime()
        platform.prepare()
        for trips in needed:
            _repair(trips)
        ensure(needed, platform, force)
    return 0


# --- an import ---


def _import_user_folder(name: str, force: bool) -> None:
    folder = ROOT / user_path(name)
    if folder.is_file():
        raise BadInputError(f"{name} is a file", f"name its folder: make data FROM={Path(name).parent}")
    if not folder.is_dir():
        raise BadInputError(f"{name}: there is no such folder", "name one with taxi files: make data FROM=FOLDER")
    taken, skipped = import_folder(folder, force)
    if not taken and not skipped:
        raise BadInputError(f"{name}: no file in it is named like green/green_tripdata_2021-01.csv.gz")
    if skipped:
        raise BadInputError(f"{name}: {skipped} of {taken + skipped} taxi files skipped; the reasons are above")


def import_folder(folder: Path, force: bool = False) -> tuple[int, int]:
    """Copies every taxi file below `folder` that is named as in the release.

    A file that is damaged, or of a lower rank than the one in data/, is skipped and named. A taxi file with a name of
    another form is named, too, but does not count.

    Returns:
        How many files were taken, and how many were skipped.
    """
    paths = sorted(folder.rglob("*"))
    for path in paths:
        if "_tripdata_" in path.name and not release_path(path) and path.is_file():
            say(f"skipped {path}: not named like green/green_tripdata_2021-01.csv.gz")
    results = [_import_file(name, path, force) for path in paths if (name := release_path(path))]
    return results.count(True), results.count(False)


def _import_file(name: str, path: Path, force: bool) -> bool:
    """Copies a file into data/; says why not, and returns False, if it is broken or of a lower rank."""
    try:
        if reason := why_unusable(path):
            raise BadInputError(f"{path}: {reason}")
        with _new_taxi_file(name, str(path), force) as file, waiting_for(f"the copy of {path}"):
            for chunk in _chunks(path):
                file.write(chunk)
    except BadInputError as error:
        say(f"skipped {error}")
        return False
    say(f"data/{name}: {describe(_record(name))}, {path.stat().st_size / 1e6:.1f} MB")
    return True


def _chunks(path: Path) -> Iterator[bytes]:
    """Reads a file, a chunk at a time.

    Raises:
        BadInputError: the disk that it is on fails.
    """
    try:
        with path.open("rb") as content:
            while chunk := content.read(CHUNK):
                yield chunk
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error


# --- months for a run ---


def ensure(months: Sequence[TripFile], runtime: Runtime, force: bool = False) -> None:
    """Makes sure that the months are in data/ or samples/, if they are to be had; the platform generates the others.

    Raises:
        BadInputError: a real month that was in data/ is gone or cannot be opened, and `force` is not set.
    """
    for trips in months:
        if not (_is_in_data(trips, runtime, force) or _is_in_samples(trips) or _download(trips.csv_path)):
            _require_no_loss(trips, force)
            rows = min(expected_rows(trips), int(runtime.settings["GENERATED_ROWS"] or sys.maxsize))
            say(f"data/{trips.csv_path}: not available here; the platform generates {rows:,} rows")


def _is_in_data(trips: TripFile, runtime: Runtime, force: bool) -> bool:
    """Returns whether the month's file is in data/; sets an unusable one aside with `force`."""
    name = trips.csv_path
    path = DATA / name
    if not os.path.lexists(path):
        return False
    if reason := why_unusable(path) or _why_out_of_reach(path, runtime):
        if not force:
            raise BadInputError(f"data/{name}: {reason}", _ways_out(trips, "repair it"))
        _set_aside(name)
        return False
    try:
        say(f"data/{name}: {describe(_record(name))}")
    except BadInputError as error:  # the run fails, too, and names the line
        say(str(error))
    return True


def _why_out_of_reach(path: Path, runtime: Runtime) -> str:
    """Returns why the platform's containers do not see the file; empty if they do."""
    target = path.resolve()
    if runtime.infrastructure != "docker" or DATA.resolve() in target.parents:
        return ""
    return f"a link to {target}, outside data/, which containers cannot follow"


def _is_in_samples(trips: TripFile) -> bool:
    path = SAMPLES / trips.csv_path
    if not path.is_file():
        return False
    say(f"samples/{trips.csv_path}: {describe(taxi_file.read(path))}")
    return True


def _require_no_loss(trips: TripFile, force: bool) -> None:
    """Refuses to generate a month that was in data/ as a real file.

    Raises:
        BadInputError: its record says so.
    """
    name = trips.csv_path
    sources = read_sources()
    known = sources.get(name)
    if known and known.kind != "generated":
        if not force:
            text = f"data/{name}: this file was {kinds.describe(known.kind)} data, and it is gone"
            raise BadInputError(text, _ways_out(trips, "put it back"))
        del sources[name]
        _write_sources(sources)


def _ways_out(trips: TripFile, best: str) -> str:
    variables = f"COLOR={trips.color} YEAR={trips.year} MONTHS={trips.month}"
    return f"{best} (make data {variables} tries to), or use generated data in its place: FORCE=yes"


def _repair(trips: TripFile) -> None:
    """Replaces a broken file in data/ by the sample or the release's file; the broken one stays beside it.

    Raises:
        BadInputError: the file is broken, and there is no other.
    """
    name = trips.csv_path
    if not os.path.lexists(DATA / name):
        return
    try:
        with waiting_for(f"the check of data/{name}"):
            _record(name, is_fresh=False)
    except BadInputError as error:
        say(str(error))
        if _is_in_samples(trips):
            _set_aside(name)
        elif not _download(name, keep_old=True):
            fix = f"import it: make data FROM=FOLDER, or delete it, and the month is generated: rm data/{name}"
            raise BadInputError(f"data/{name}: broken, and there is no other", fix) from error


def _set_aside(name: str) -> None:
    with files.report_file_errors(f"data/{name} was not renamed"):
        os.replace(DATA / name, DATA / f"{name}{BROKEN}")
    say(f"data/{name}: renamed to {Path(name).name}{BROKEN}")


def list_taxi_files() -> list[Path]:
    """Returns every file of the release that is in data/, and the record of their kinds."""
    found = [path for path in sorted(DATA.rglob("*")) if path.is_file() and release_path(path)]
    return [*found, *filter(Path.is_file, [DATA / SOURCES])]


# --- the record ---


def describe(contents: Contents | Record) -> str:
    """Returns for example `real, 76,518 rows`."""
    return f"{contents.kind}, {contents.rows:,} rows"


def read_sources() -> dict[str, Record]:
    """Returns what is recorded about each file in data/."""
    found = files.read_json(DATA / SOURCES, "delete it; Orionbox looks at the files themselves then")
    return {name: _parse_record(value) for name, value in found.items()}


def _parse_record(value: object) -> Record:
    if isinstance(value, dict) and all(isinstance(value.get(key), int) for key in ("rows", "bytes", "modified")):
        return Record(str(value.get("kind")), value["rows"], value["bytes"], value["modified"])
    return Record(kinds.current_word(str(value)), 0, -1, -1)


def _record(name: str, is_fresh: bool = True) -> Record:
    """Returns the record of a file in data/; reads the file if it has changed, or if `is_fresh` is False.

    Raises:
        BadInputError: the file is broken.
    """
    path, known = DATA / name, read_sources()
    status = path.stat() if path.exists() else None
    if status and is_fresh and name in known and known[name][2:] == (status.st_size, status.st_mtime_ns):
        return known[name]
    with waiting_for(f"the check of data/{name}"):
        contents = taxi_file.read(path)
    return _store_record(name, contents)


def _store_record(name: str, contents: Contents) -> Record:
    status, known = (DATA / name).stat(), read_sources()
    known[name] = Record(contents.kind, contents.rows, status.st_size, status.st_mtime_ns)
    _write_sources(known)
    return known[name]


def _write_sources(known: dict[str, Record]) -> None:
    keys = ("kind", "rows", "bytes", "modified")
    content = {name: dict(zip(keys, record)) for name, record in known.items()}
    files.write(DATA / SOURCES, json.dumps(content, indent=2, sort_keys=True) + "\n")


# --- new files ---


def _download(name: str, keep_old: bool = False) -> bool:
    """Downloads a file of the release; prints the reason and returns False if that is not possible."""
    try:
        with _new_taxi_file(name, f"{RELEASE_URL}/{name}", force=True, keep_old=keep_old) as file:
            with waiting_for(f"the download of data/{name}"):
                for chunk in _download_chunks(f"{RELEASE_URL}/{name}"):
                    file.write(chunk)
    except BadInputError as error:
        say(f"data/{name}: cannot be downloaded here ({error.text})")
        return False
    say(f"data/{name}: downloaded, {describe(_record(name))}")
    return True


def _download_chunks(url: str) -> Iterator[bytes]:
    """Downloads a file, a chunk at a time.

    Raises:
        BadInputError: the server is unreachable, or did not send the complete file.
    """
    received = 0
    try:
        with urlopen(url, timeout=DOWNLOAD_TIMEOUT) as response:
            announced = response.headers.get("Content-Length")
            while chunk := response.read(CHUNK):
                received += len(chunk)
                yield chunk
    except (OSError, HTTPException) as error:
        raise BadInputError(str(error).strip() or type(error).__name__) from error
    if announced not in (None, str(received)):
        raise BadInputError(f"the connection ended after {received:,} of {int(announced):,} bytes")


@contextmanager
def _new_taxi_file(name: str, origin: str, force: bool, keep_old: bool = False) -> Iterator[IO[bytes]]:
    """Opens a new file in data/, which is kept only if it is a complete taxi file.

    Args:
        name: below data/.
        origin: where its content comes from, for messages.
        force: whether it may replace a file of a higher rank.
        keep_old: whether the file that it replaces stays under another name.

    Raises:
        BadInputError: the content is not a complete taxi file, or of a lower rank than the file in data/.
        CommandError: the file cannot be written; the disk may be full.
    """
    path = DATA / name
    with files.report_file_errors(f"data/{name} was not written"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.new_file(path, 0o644) as file:
            yield file
            file.flush()
            with waiting_for(f"the check of data/{name}"):
                contents = taxi_file.read_open(file, name, origin)
            if not force:
                _require_no_lower_rank(name, origin, contents)
            if keep_old and os.path.lexists(path):
                _set_aside(name)
        _store_record(name, contents)


def _require_no_lower_rank(name: str, origin: str, new: Contents) -> None:
    try:
        old = _record(name) if os.path.lexists(DATA / name) else None
    except BadInputError:  # broken, so any good file is better
        return
    if old and kinds.RANKS[old.kind] > kinds.RANKS[new.kind]:
        text = f"{origin}: {describe(new)}, and data/{name} is {describe(old)}"
        raise BadInputError(text, "to replace it on purpose: FORCE=yes")
