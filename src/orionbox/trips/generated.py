"""Generated trips in the format of a month's file, for months that this machine does not have.

The file's name and the number of rows decide every byte. The numbers are plausible but not real: `trip_pool` says what
they follow. As in the real files, the trips whose codes are missing come last, and a few trips lie outside the month.
The gzip header says that the file was generated.

`python -m orionbox.trips.generated COLOR YEAR MONTH [ROWS]` writes the file to standard output.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal import isal_zlib

from orionbox.trips import row_counts, trip_pool
from orionbox.trips.arrow_schema import FILE_SCHEMAS, TIME
from orionbox.trips.months import GENERATED_MARK, TripFile
from orionbox.trips.row_counts import Month
from orionbox.trips.schema import file_columns
from orionbox.trips.trip_pool import TripPool

VERSION = 1
"""Increase it when the same month gets other values: then saved files are generated again."""
BATCH_ROWS = 65_536
POOL_TRIPS = 32_768
"""Trips of each class of hours in a pool."""
GZIP_LEVEL = 1
HOUR, DAY = 3600, 86_400
LOST_CLOCK = 1_230_768_000
"""2009-01-01: what a few meters say whose clock was reset."""
SHARE_OUTSIDE = 2e-5
"""The share of trips dated outside the month."""

WORKDAY = (19, 10, 8, 7, 4, 9, 22, 47, 57, 50, 45, 47, 56, 55, 60, 52, 53, 61, 73, 65, 58, 59, 48, 34)
WEEKEND = (51, 44, 36, 24, 12, 6, 10, 13, 24, 38, 45, 52, 60, 56, 61, 57, 57, 57, 63, 52, 45, 47, 50, 39)
GREEN_WORKDAY = (6, 3, 2, 2, 6, 12, 26, 49, 71, 81, 82, 77, 75, 74, 73, 71, 70, 60, 50, 40, 28, 18, 15, 12)
GREEN_WEEKEND = (14, 10, 5, 4, 7, 9, 12, 27, 42, 53, 65, 72, 76, 80, 83, 77, 72, 68, 58, 52, 39, 28, 25, 20)
"""Trips of 1,000 by hour of the day."""
DAYS = {"yellow": (0.85, 0.91, 1.09, 1.2, 1.15, 1.01, 0.78), "green": (0.91, 1.02, 1.12, 1.2, 1.25, 0.91, 0.59)}
"""How busy each weekday is, from Monday on."""
GAPS = {
    "yellow": (((2019, 7), 0.0), ((2020, 3), 0.009), ((2020, 4), 0.013), ((2020, 5), 0.08), ((2020, 6), 0.17)),
    "green": (((2019, 7), 0.0), ((2020, 1), 0.15), ((2020, 3), 0.26), ((2020, 10), 0.35)),
    "fhv": (),
}
"""The share of trips without codes before each month; the rest of the time it is that of `LATER_GAPS`."""
LATER_GAPS = {"yellow": 0.072, "green": 0.45, "fhv": 0.0}
_TIMES = np.dtype([("day", "V11"), ("second", "V8"), ("comma", "V1"), ("end_day", "V11"), ("end_second", "V8")])


@dataclass(frozen=True)
class Batch:
    """Rows of a month: trips of a pool, each with its moment."""

    pool: TripPool
    trips: np.ndarray
    """Numbers of the pool's trips."""
    pickups: np.ndarray
    """Seconds since 1970, by New York's clock."""

    @property
    def dropoffs(self) -> np.ndarray:
        """Returns the ends of the trips, in seconds since 1970."""
        dropoffs: np.ndarray = self.pickups + self.pool.seconds[self.trips]
        return dropoffs

    def to_table(self, color: str) -> pa.RecordBatch:
        """Returns the rows with the types of `FILE_SCHEMAS`."""
        schema, index = FILE_SCHEMAS[color], pa.array(self.trips)
        times = iter((self.pickups, self.dropoffs))
        arrays = [
            pa.array(next(times) * 1_000_000, pa.int64()).cast(TIME)
            if field.type == TIME
            else self.pool.columns[field.name].take(index)
            for field in schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def to_csv(self, clock: Clock) -> Any:
        """Returns the rows as text, as a buffer."""
        index = pa.array(self.trips)
        heads, tails = self.pool.heads.take(index), self.pool.tails.take(index)
        lines = pc.binary_join_element_wise(heads, clock.text(self.pickups, self.dropoffs), tails, "")
        _, _, text = lines.buffers()
        return text


class Clock:
    """Writes times as text. It knows every day that a month's trips may begin or end on."""

    def __init__(self, first: int, last: int) -> None:
        days = [*range(LOST_CLOCK // DAY - 1, LOST_CLOCK // DAY + 3), *range(first // DAY, last // DAY + 1)]
        self._first_day = min(days)
        self._days = np.zeros(max(days) - self._first_day + 1, "V11")
        for day in days:
            text = f"{np.datetime64(day, 'D')} ".encode()
            self._days[day - self._first_day] = np.void(text)
        seconds = [f"{second // HOUR:02}:{second // 60 % 60:02}:{second % 60:02}" for second in range(DAY)]
        self._seconds = np.array([text.encode() for text in seconds], "S8").view("V8")

    def text(self, pickups: np.ndarray, dropoffs: np.ndarray) -> pa.Array:
        """Returns for example `2021-01-01 00:15:56,2021-01-01 00:19:52` for each row."""
        rows = np.empty(len(pickups), _TIMES)
        rows["comma"] = np.void(b",")
        for moments, day, second in ((pickups, "day", "second"), (dropoffs, "end_day", "end_second")):
            days = moments // DAY
            rows[day] = self._days[days - self._first_day]
            rows[second] = self._seconds[moments - days * DAY]
        offsets = np.arange(len(rows) + 1, dtype=np.int32) * _TIMES.itemsize
        return pa.StringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(rows))


class GeneratedMonth:
    """The rows of a month.

    Args:
        month: which month; `fhv` is a color here.
        rows: how many rows it has.
    """

    def __init__(self, month: Month, rows: int) -> None:
        self.month, self.rows = month, rows
        begin = np.datetime64(f"{month.year}-{month.month:02}", "M")
        self.begin, self.end = (int(moment.astype("datetime64[s]").astype(int)) for moment in (begin, begin + 1))
        self.clock = Clock(self.begin - DAY, self.end + 3 * DAY)
        hours = np.arange(self.begin, self.end, HOUR)
        weekdays = (hours // DAY + 3) % 7  # 1970 began on a Thursday
        of_day = hours // HOUR % 24
        is_green = month.color == "green"
        busy = np.where(
            weekdays >= 5,
            np.array(GREEN_WEEKEND if is_green else WEEKEND)[of_day],
            np.array(GREEN_WORKDAY if is_green else WORKDAY)[of_day],
        )
        busy = busy * np.array(DAYS["green" if is_green else "yellow"])[weekdays]
        self._cumulated = np.concatenate([[0.0], np.cumsum(busy) / busy.sum()])
        is_night, is_rush = (of_day >= 20) | (of_day < 6), (of_day >= 16) & (of_day < 20) & (weekdays < 5)
        self._classes = np.where(is_night, trip_pool.NIGHT, np.where(is_rush, trip_pool.RUSH, trip_pool.DAY))

    def batches(self) -> Iterator[Batch]:
        """Yields the rows in the file's order: first those with codes, then those without, each by time."""
        random = np.random.default_rng([zlib.crc32(self.month.csv_name.encode()), VERSION])
        without = round(self.rows * share_of_gaps(self.month))
        for rows, has_codes in ((self.rows - without, True), (without, False)):
            if rows:
                pool = self._pool(has_codes, min(POOL_TRIPS, rows // 2 + 16), random)
                for start in range(0, rows, BATCH_ROWS):
                    yield self._batch(pool, start, min(BATCH_ROWS, rows - start), rows, random)

    def _pool(self, has_codes: bool, size: int, random: np.random.Generator) -> TripPool:
        color, year, month = self.month.color, self.month.year, self.month.month
        if color == "fhv":
            return trip_pool.hired_trips(year, month, size, random)
        if not has_codes:
            return trip_pool.untyped_trips(color, size, random)
        return trip_pool.metered_trips(color, size, random, has_surcharge=(year, month) != (2019, 1))

    def _batch(self, pool: TripPool, start: int, rows: int, of: int, random: np.random.Generator) -> Batch:
        share = (start + rows * random.random(rows)) / of
        seconds = np.interp(share, self._cumulated, np.arange(len(self._cumulated)) * float(HOUR)).astype(np.int64)
        seconds = np.minimum(seconds, self.end - self.begin - 1)
        trips = self._classes[seconds // HOUR] * pool.size + random.integers(0, pool.size, rows)
        pickups = self.begin + seconds
        is_whole = random.random(rows) < pool.share_of_whole_minutes
        pickups = pickups - is_whole * (pickups % 60)
        outside = np.flatnonzero(random.random(rows) < SHARE_OUTSIDE)
        if not start and rows > 3:
            outside = np.append(outside, 3)  # as in the real months: a trip that began before midnight
        pickups[outside] = self._moments_outside(len(outside), random)
        return Batch(pool, trips, pickups)

    def _moments_outside(self, rows: int, random: np.random.Generator) -> np.ndarray:
        late = random.integers(1, 2 * HOUR, rows)
        which = random.integers(0, 5, rows)
        which[-1:] = 0
        return np.where(which < 2, self.begin - late, np.where(which < 4, self.end + late, LOST_CLOCK + late))


def share_of_gaps(month: Month) -> float:
    """Returns the share of a month's trips that have no codes."""
    earlier = (share for before, share in GAPS[month.color] if (month.year, month.month) < before)
    return next(earlier, LATER_GAPS[month.color])


def write_month(trips: Month | TripFile, rows: int, file: IO[bytes]) -> None:
    """Writes a gzip-compressed CSV file with `rows` trips."""
    packer, checksum, size = isal_zlib.compressobj(GZIP_LEVEL, wbits=-zlib.MAX_WBITS), 0, 0
    file.write(b"\x1f\x8b\x08\x10" + struct.pack("<L", 0) + b"\x00\xff" + header_comment(rows) + b"\0")
    for text in csv_text(trips, rows):
        checksum, size = isal_zlib.crc32(text, checksum), size + len(text)
        file.write(packer.compress(text))
    file.write(packer.flush() + struct.pack("<LL", checksum, size & 0xFFFFFFFF))


def header_comment(rows: int) -> bytes:
    """Returns the comment in the gzip header of a generated file."""
    return GENERATED_MARK + f" {VERSION}; rows={rows}".encode()


def csv_text(trips: Month | TripFile, rows: int) -> Iterator[Any]:
    """Yields the month's CSV file, a batch of lines at a time."""
    month = GeneratedMonth(Month(trips.color, trips.year, trips.month), rows)
    yield (",".join(file_columns(trips.color, trips.year)) + "\n").encode()
    for batch in month.batches():
        yield batch.to_csv(month.clock)


def main(color: str, year: str, month: str, rows: str = "") -> None:
    """Writes the month to standard output."""
    trips = Month(color, int(year), int(month))
    write_month(trips, int(rows) if rows else row_counts.expected_rows(trips), sys.stdout.buffer)


if __name__ == "__main__":
    main(*sys.argv[1:])
