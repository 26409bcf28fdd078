"""Finds a taxi file in the user's folder, or makes it: generated months, and parquet from the CSV of a month.

A file in `data/` always wins, and one that cannot be read is an error: it is never replaced by generated data. What is
made goes into a folder of its own, complete or not at all, one file at a time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from pathlib import Path

from isal import igzip

from orionbox import files
from orionbox.errors import CommandError
from orionbox.release.urls import CSV, CSV_GZ, PARQUET, Request
from orionbox.trips.kinds import MARK_BYTES, is_generated, kind_of
from orionbox.trips.lines import LineCounter
from orionbox.trips.months import FIRST_MONTH, LAST_MONTH
from orionbox.trips.row_counts import FIRST_OF_TLC, Month, expected_rows, published_rows
from orionbox.trips.taxi_file import CHUNK, ZONES, Contents

VERSION = 1
"""Increase it when the same month gets other values or types: then files are made again."""
BYTES_PER_ROW = {CSV_GZ: 30, CSV: 110, PARQUET: 40}
SPARE_BYTES = 200 << 20
"""Bytes that must stay free on the disk."""
ZONE_LOOKUP = Path(__file__).with_name("taxi_zone_lookup.csv")


class Refusal(Exception):
    """There is no such file, or it cannot be read or made. The text says what to do."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(frozen=True)
class Found:
    """A file that can be served."""

    path: Path
    contents: Contents | None = None


@dataclass(frozen=True)
class Order:
    """A file to be made."""

    target: Path
    form: str
    month: Month
    rows: int
    """How many rows to generate; 0 with a source."""
    source: Path | None
    """The month's CSV.gz in the user's folder."""

    @property
    def origin(self) -> str:
        """Returns what the file is made from, as its note says it."""
        if not self.source:
            return f"{VERSION} generated {self.rows}"
        status = self.source.stat()
        return f"{VERSION} {self.source} {status.st_size} {status.st_mtime_ns}"

    def describe(self) -> str:
        """Says for the log what is made, and why."""
        if self.source:
            return f"making it from {self.source.name}"
        estimate = "" if published_rows(self.month) else "; the number of rows is an estimate"
        return f"generating {self.rows:,} rows, because data/ does not have this month{estimate}"

    @property
    def bytes_needed(self) -> int:
        """Returns about how many bytes must be free on the disk."""
        rows = self.source.stat().st_size // 15 if self.source else self.rows
        return rows * BYTES_PER_ROW[self.form] + SPARE_BYTES


def run_program(order: Order) -> tuple[int, bool]:
    """Makes a file in a process of its own, whose memory is free again when it ends.

    Returns:
        The rows, and whether they are generated.

    Raises:
        CommandError: it failed.
    """
    rest = ("--source", str(order.source)) if order.source else ("--rows", str(order.rows))
    arguments = (str(order.target), order.form, *map(str, order.month), *rest)
    program = (sys.executable, "-m", "orionbox.release.make_file", *arguments)
    done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise CommandError("".join(done.stderr.strip().splitlines()[-1:]) or f"exit {done.returncode}")
    made = json.loads(done.stdout)
    return int(made["rows"]), bool(made["is_generated"])


class TaxiFiles:
    """The files of the release and of the TLC.

    Args:
        folders: where real files are, in the release's layout; the first that has a file wins.
        made: the folder of files that are made here.
        most_rows: the most rows of a generated month; 0 for as many as the real month has.
        log: prints a line.
        program: makes a file; it appears complete or not at all.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        made: Path,
        most_rows: int,
        log: Callable[[str], None],
        program: Callable[[Order], tuple[int, bool]] = run_program,
    ) -> None:
        self._folders, self._made, self._most_rows = folders, made, most_rows
        self._log, self._program = log, program
        self._lock = threading.Lock()
        """One file is made at a time: who asks meanwhile waits, and then finds it."""
        self._counted: dict[tuple[str, int, int], Contents | None] = {}

    def get(self, request: Request) -> Found:
        """Returns the file, which is made if need be.

        Raises:
            Refusal: there is none.
        """
        if path := self._look_up(request.name):
            return Found(path, self._contents(path, request.month) if request.form == CSV_GZ else None)
        if request.month:
            return self._month(request, request.month)
        if request.name in ZONES:
            other = self._look_up(next(name for name in ZONES if name != request.name))
            return Found(other or ZONE_LOOKUP)
        raise Refusal(HTTPStatus.NOT_FOUND, f"Orionbox's data folder has no {request.name}.\n")

    def _month(self, request: Request, month: Month) -> Found:
        source = self._look_up(month.csv_path) if request.form != CSV_GZ else None
        if not source:
            _require_published(request, month)
        rows = 0 if source else self._rows(month)
        order = Order(self._made / request.name, request.form, month, rows, source)
        if contents := _read_note(order):
            return Found(order.target, contents)
        with self._lock:
            return Found(order.target, _read_note(order) or self._make(order))

    def _rows(self, month: Month) -> int:
        rows = expected_rows(month)
        return min(rows, self._most_rows) if self._most_rows else rows

    def _make(self, order: Order) -> Contents:
        self._log(f"{order.target.name}: {order.describe()}")
        start = time.monotonic()
        _require_space(order)
        _note(order.target).unlink(missing_ok=True)
        try:
            rows, is_made_up = self._program(order)
        except CommandError as error:
            self._log(f"{order.target.name}: could not be made: {error}")
            text = f"{order.target.name} could not be made: {error}\n"
            raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, text) from error
        contents = Contents(kind_of(order.month, rows, is_made_up), rows)
        files.write(_note(order.target), json.dumps({"origin": order.origin, **contents._asdict()}))
        megabytes, seconds = order.target.stat().st_size / 1e6, time.monotonic() - start
        self._log(f"{order.target.name}: {contents.kind}, {rows:,} rows, {megabytes:.1f} MB in {seconds:.1f} s")
        return contents

    def _look_up(self, name: str) -> Path | None:
        """Returns the file in the first folder that has it; None if no folder has it.

        Raises:
            Refusal: a folder has something by that name that cannot be read.
        """
        for folder in self._folders:
            if _is_there(folder, name):
                return folder / name
        return None

    def _contents(self, path: Path, month: Month | None) -> Contents | None:
        """Returns what a CSV file in the user's folder holds; None if it is damaged. Each version is counted once."""
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        if key not in self._counted:
            self._counted[key] = _count(path, month) if month else None
        return self._counted[key]


def _is_there(folder: Path, name: str) -> bool:
    """Returns whether the folder has a readable file.

    Raises:
        Refusal: it has something by that name that is not one.
    """
    path = folder
    try:
        for part in name.split("/"):
            path = path / part
            os.stat(path)
        with (folder / name).open("rb"):
            return True
    except PermissionError as error:
        raise Refusal(HTTPStatus.FORBIDDEN, explain_closed(name)) from error
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return False
        raise Refusal(HTTPStatus.NOT_FOUND, explain_broken(name, path, error)) from error


def _require_published(request: Request, month: Month) -> None:
    """Checks that the real server has such a month.

    Raises:
        Refusal: it has none.
    """
    first, last = FIRST_OF_TLC.get(month.color), (date.today().year, date.today().month)
    if not request.is_of_tlc:
        first, last = FIRST_MONTH if first else None, LAST_MONTH
    is_named_well = request.name.endswith(f"_{month.year}-{month.month:02}.{request.form}")
    if first and 1 <= month.month <= 12 and is_named_well and first <= (month.year, month.month) <= last:
        return
    raise Refusal(HTTPStatus.NOT_FOUND, explain_unpublished(request, first, last))


def explain_unpublished(request: Request, first: tuple[int, int] | None, last: tuple[int, int]) -> str:
    """Says which months there are."""
    text = f"Orionbox's data folder has no {request.name}.\n"
    if not first:
        colors = ", ".join(FIRST_OF_TLC)
        return f"{text}It generates months of {colors} only. Put the file into the data folder yourself.\n"
    server = "The TLC" if request.is_of_tlc else "The course's release"
    months = "{}-{:02} to {}-{:02}".format(*first, *last)
    return f"{text}{server} has {months}, named like {request.name.split('/')[0]}_tripdata_2021-01.{request.form}.\n"


def explain_closed(name: str) -> str:
    """Says what to do about a file that this user cannot read."""
    return f"Orionbox cannot read data/{name}.\nTo let it: sudo chmod -R a+rX data\n"


def explain_broken(name: str, path: Path, error: OSError) -> str:
    """Says what to do about a name in the data folder that leads to no file."""
    fix = f"Put the file itself there, or delete data/{name} to get a generated month.\n"
    if path.is_symlink():
        return f"data/{name} is a link to {os.readlink(path)}, which the platform cannot follow.\n{fix}"
    return f"data/{name} cannot be read: {error.strerror}.\n{fix}"


def _count(path: Path, month: Month) -> Contents | None:
    try:
        with path.open("rb") as file:
            start = file.read(MARK_BYTES)
        with igzip.open(path) as content:  # type: ignore[no-untyped-call]
            rows = LineCounter(content, path.name).read_to_the_end(CHUNK) - 1  # without the header
    except Exception:  # whoever reads the file says what is wrong with it
        return None
    return Contents(kind_of(month, rows, is_generated(start)), rows)


def _require_space(order: Order) -> None:
    """Creates the target's folder, and checks that the disk has room for the file.

    Raises:
        Refusal: it has not.
    """
    name = order.target.name
    try:
        order.target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(order.target.parent).free
    except OSError as error:
        raise Refusal(HTTPStatus.INSUFFICIENT_STORAGE, f"{name} cannot be made: {error}\n") from error
    if free < order.bytes_needed:
        needed = f"{order.bytes_needed / 1e6:,.0f} MB are needed on the disk, and {free / 1e6:,.0f} MB are free"
        fix = "Free some space, or set GENERATED_ROWS in .env to fewer rows, then: make up"
        raise Refusal(HTTPStatus.INSUFFICIENT_STORAGE, f"{name} cannot be made: {needed}.\n{fix}\n")


def _note(target: Path) -> Path:
    """Returns the file that says what `target` was made from; it is written last."""
    return target.with_name(f"{target.name}.json")


def _read_note(order: Order) -> Contents | None:
    """Returns what the made file holds; None if it has to be made."""
    note = files.read_json(_note(order.target), "delete it")
    if note.get("origin") != order.origin or not order.target.is_file():
        return None
    return Contents(str(note["kind"]), int(note["rows"]))
