"""The kinds of data: real, excerpt, generated. Every log, report, page and store uses these three words.

`real` is a whole month of the TLC's records, `excerpt` a part of one, and `generated` a month that Orionbox has made
because the real one was not available. An excerpt is told by its row count, a generated file by a mark in it that stays
wherever the file is copied. Standard library only.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from orionbox.errors import BadInputError
from orionbox.trips.months import GENERATED_MARK, TripFile
from orionbox.trips.row_counts import AnyMonth, fewest_rows

Kind = Literal["real", "excerpt", "generated"]
KINDS: tuple[str, ...] = get_args(Kind)
RANKS = {"generated": 0, "excerpt": 1, "real": 2}
"""A month never replaces one of a higher rank, unless the user forces it."""
OLD_WORDS = {"import": "real", "download": "real", "synthetic": "generated"}
"""The words of Orionbox 0.2.0, in reports, backups and `sources.json`."""
OLD_GENERATED_ROWS = 100_000
"""Orionbox 0.2.0 generated months of this size, and recorded their kind in no store. No real month has this size."""

GENERATED_MARKS = (GENERATED_MARK, b"orionbox synthetic")
"""The comments of this version and of 0.2.0."""
MARK_BYTES = 128
"""The mark is within so many bytes of the start."""
PARQUET_KEY = b"orionbox.data"
"""The key in a parquet file's metadata whose value is the kind."""
HEADER = "X-Orionbox-Data"
"""The header with which the platform's stand-in for the internet says what it sends."""
FORCE_FIX = "put the real file into data/{path}, or replace it on purpose with FORCE=yes (in Orion: parameter `force`)"


class Announced(NamedTuple):
    """What the header of a fetched taxi file says."""

    kind: str
    rows: int
    file: str
    """Its name in the release, for example `green/green_tripdata_2021-01.csv.gz`; empty if it is not named."""


def is_generated(start: bytes) -> bool:
    """Returns whether a gzip file that begins with these bytes was generated."""
    return any(mark in start[:MARK_BYTES] for mark in GENERATED_MARKS)


def kind_of(trips: AnyMonth, rows: int, generated: bool) -> Kind:
    """Returns the kind of a month's file from its number of rows and its mark.

    A month that is not in the table of row counts is real unless it was generated.
    """
    if generated:
        return "generated"
    return "excerpt" if rows < fewest_rows(trips) else "real"


def kind_without_record(trips: TripFile, rows: int) -> Kind:
    """Returns the kind of a stored month without a record: as of real data, except for what 0.2.0 generated."""
    return kind_of(trips, rows, generated=rows == OLD_GENERATED_ROWS)


def current_word(word: str) -> str:
    """Returns today's word for a kind; other words stay as they are."""
    return OLD_WORDS.get(word, word)


def header_value(kind: str, rows: int, file: str = "") -> str:
    """Returns the header's value, for example `real; rows=76518; file=green/green_tripdata_2021-01.csv.gz`."""
    return f"{kind}; rows={rows}" + (f"; file={file}" if file else "")


def parse_header(value: str | None) -> Announced | None:
    """Returns what a header says; None for no header, or one that another server sent."""
    kind, *parts = [part.strip() for part in (value or "").split(";")]
    fields = dict(part.partition("=")[::2] for part in parts)
    rows = fields.get("rows", "0")
    if kind not in KINDS or not rows.isdecimal():
        return None
    return Announced(kind, int(rows), fields.get("file", ""))


def require_replaceable(store: str, trips: TripFile, stored: str | None, new: str, force: bool) -> None:
    """Refuses to replace a month by one of a lower rank.

    Args:
        store: where the month is, for the message.
        trips: the month.
        stored: the kind of the month there; None if the store does not have it.
        new: the kind of the month that would replace it; an unknown word counts as real.
        force: whether the user wants it anyway.

    Raises:
        BadInputError: the stored month has the higher rank.
    """
    if force or stored is None or RANKS[stored] <= RANKS.get(new, RANKS["real"]):
        return
    held = "the real month" if stored == "real" else "an excerpt of the real month"
    name = f"{trips.color} {trips.year}-{trips.month:02}"
    raise BadInputError(
        f"{store} holds {held} {name}, and the file is {describe(new)}; nothing was replaced",
        FORCE_FIX.format(path=trips.csv_path),
    )


def describe(kind: str) -> str:
    """Returns the kind as a sentence needs it: `a generated one` reads badly, `generated` does not."""
    return "an excerpt" if kind == "excerpt" else kind


def warning(months: list[tuple[str, str, int]]) -> str:
    """Returns one line about the months that are not real; empty if all are.

    Args:
        months: name, kind and rows of each.
    """
    parts = [
        f"{name} is {describe(kind)} ({rows:,} rows)" for name, kind, rows in months if kind in ("excerpt", "generated")
    ]
    return f"not real: {'; '.join(parts)}" if parts else ""
