"""Pools of trips from which `generated` draws the rows of a month.

A pool holds everything of a trip but its moment: zones, distance, duration and amounts, as typed columns and as the
text of the CSV. So the text is written once per pool instead of once per row. Shares and shapes follow the real months:
green 2020-10, 2021-01 and 2021-02, and samples of yellow 2020-01 to 2020-06. `zone_weights.csv` has how many of 20,000
trips begin and end in each zone.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orionbox.trips.arrow_schema import FILE_SCHEMAS

ZONE_WEIGHTS = Path(__file__).with_name("zone_weights.csv")
DAY, NIGHT, RUSH = range(3)
"""The hours' classes, by which a meter adds a surcharge. A pool has as many trips of each."""
BASES = 700
"""Dispatching bases of for-hire vehicles; 792 are in the files of 2019."""
FULL_ZONES = ((2019, 5), (2019, 6))
"""Months whose files have a zone in every row, for hired vehicles."""

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class TripPool:
    """Trips without their moments."""

    columns: dict[str, pa.Array]
    """All columns but the two times, in the file's order."""
    seconds: np.ndarray
    """The duration of each trip."""
    heads: pa.Array
    """The text of each trip before the two times, with the comma."""
    tails: pa.Array
    """The text after the two times, with the comma before it and the end of the line."""
    share_of_whole_minutes: float
    """The share of trips that begin at a full minute."""

    @property
    def size(self) -> int:
        """Returns the trips of each class of hours."""
        return len(self.seconds) // 3


def metered_trips(color: str, size: int, random: np.random.Generator, has_surcharge: bool = True) -> TripPool:
    """Returns trips whose vendor has sent all codes.

    Args:
        color: `yellow` or `green`.
        size: trips of each class of hours.
        random: decides everything.
        has_surcharge: whether the congestion surcharge is known; it was new in January 2019.
    """
    is_green, rows = color == "green", 3 * size
    rate = _draw(random, rows, [1, 5, 2, 3, 4], [0.9635, 0.033, 0.002, 0.001, 0.0005] if is_green else _YELLOW_RATES)
    miles, minutes = _distances(random, rows, rate, 0.95 if is_green else 0.5)
    vendor = _draw(random, rows, [1, 2], [0.18, 0.82] if is_green else [0.335, 0.665])
    payment = _draw(random, rows, [1, 2, 3, 4], [0.6, 0.391, 0.007, 0.002] if is_green else _YELLOW_PAYMENTS)
    columns: Columns = {
        "VendorID": vendor,
        "passenger_count": _passengers(random, rows, is_green),
        "trip_distance": miles,
        "RatecodeID": rate,
        "store_and_fwd_flag": _draw(random, rows, ["N", "Y"], [0.9915, 0.0085]),
        "PULocationID": _zones(random, rows, f"{color}_pickup"),
        "DOLocationID": _zones(random, rows, f"{color}_dropoff"),
        "payment_type": payment,
        "ehail_fee": np.full(rows, np.nan),
        "trip_type": np.where(rate == 5, 2, 1),
    }
    columns.update(_meter(random, color, columns, np.minimum(minutes, 90), has_surcharge))
    if not has_surcharge:
        columns["congestion_surcharge"] = np.where(random.random(rows) < 0.87, np.nan, 0.0)
    return _pool(color, columns, minutes, random, whole_minutes=1 / 60)


def untyped_trips(color: str, size: int, random: np.random.Generator) -> TripPool:
    """Returns trips without codes: VendorID, passengers, payment and others are missing in the same rows."""
    is_green, rows = color == "green", 3 * size
    rate = np.ones(rows, int)
    miles, minutes = _distances(random, rows, rate, 1.3)
    fare = np.round(6.0 + 2.4 * miles + 0.33 * np.minimum(minutes, 90) + random.uniform(-2, 2, rows), 2)
    tip = 2.75 * (random.random(rows) < (0.5 if is_green else 0.35))
    columns: Columns = dict.fromkeys(
        ("VendorID", "passenger_count", "RatecodeID", "payment_type", "trip_type", "ehail_fee"), np.full(rows, np.nan)
    )
    columns["store_and_fwd_flag"] = np.full(rows, None)
    columns["trip_distance"] = miles
    columns["PULocationID"] = _zones(random, rows, f"{color}_pickup")
    columns["DOLocationID"] = _zones(random, rows, f"{color}_dropoff")
    extra = 2.75 * (random.random(rows) < 0.4) if is_green else np.zeros(rows)
    congestion = np.zeros(rows) if is_green else 2.5 * (random.random(rows) < 0.3)
    columns.update(_amounts(random, fare, extra, congestion, np.full(rows, 2), 0.05))
    columns["tip_amount"] = tip
    columns["mta_tax"] = np.where(random.random(rows) < (0.005 if is_green else 0.9), 0.5, 0.0)
    columns["total_amount"] = np.round(
        fare + extra + columns["mta_tax"] + tip + columns["tolls_amount"] + 0.3 + congestion, 2
    )
    if is_green:
        columns["congestion_surcharge"] = np.full(rows, np.nan)
    return _pool(color, columns, np.ceil(minutes), random, whole_minutes=0.993 if is_green else 0.65)


def hired_trips(year: int, month: int, size: int, random: np.random.Generator) -> TripPool:
    """Returns trips of for-hire vehicles: no amounts, many bases, and some rows without zones."""
    rows = 3 * size
    names = np.array([f"B{number:05}" for number in np.sort(random.choice(np.arange(1, 3300), BASES, replace=False))])
    weights = 1 / np.arange(1, BASES + 1) ** 0.9
    base = random.permutation(names)[random.choice(BASES, rows, p=weights / weights.sum())]
    affiliated = np.where(random.random(rows) < 0.85, base, random.choice(names, rows)).astype(object)
    affiliated[random.random(rows) < 0.005] = None
    has_no_zones = (random.random(rows) < 0.02) & ((year, month) not in FULL_ZONES)
    shared = (random.random(rows) < 0.2) & ((year, month) < (2019, 3))
    _, minutes = _distances(random, rows, np.ones(rows, int), 1.0)
    columns: Columns = {
        "dispatching_base_num": base,
        "PUlocationID": np.where(has_no_zones, np.nan, _zones(random, rows, "green_pickup")),
        "DOlocationID": np.where(has_no_zones, np.nan, _zones(random, rows, "green_dropoff")),
        "SR_Flag": np.where(shared, 1.0, np.nan),
        "Affiliated_base_number": affiliated,
    }
    return _pool("fhv", columns, minutes, random, whole_minutes=0.2)


_YELLOW_RATES = [0.9695, 0.0055, 0.022, 0.0022, 0.0008]
_YELLOW_PAYMENTS = [0.735, 0.257, 0.005, 0.003]


def _draw(random: np.random.Generator, rows: int, values: Sequence[object], shares: Sequence[float]) -> np.ndarray:
    """Returns values with these shares, the first of which takes what the others leave."""
    bounds = np.cumsum([1 - sum(shares[1:]), *shares[1:]])
    return np.array(values)[np.searchsorted(bounds[:-1], random.random(rows), side="right")]


def _passengers(random: np.random.Generator, rows: int, is_green: bool) -> np.ndarray:
    shares = [0.89, 0.06, 0.009, 0.0035, 0.018, 0.0155, 0.004] if is_green else _YELLOW_PASSENGERS
    return _draw(random, rows, [1, 2, 3, 4, 5, 6, 0], shares)


def _distances(
    random: np.random.Generator, rows: int, rate: np.ndarray, log_miles: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns miles and minutes. Rate 2 is the flat fare to the airport JFK; a few meters are never stopped."""
    near = random.lognormal(log_miles, 0.78, rows)
    far = random.random(rows) < 0.07
    driven = np.where(far, random.normal(11, 4, rows), near)
    driven = np.where(rate == 2, random.normal(17.5, 2, rows), driven)
    miles = np.round(np.where(random.random(rows) < 0.015, 0.0, np.abs(driven)), 2)
    minutes = 1.5 + 60 * miles / random.lognormal(2.42, 0.35, rows)
    is_forgotten = random.random(rows) < 0.003
    return miles, np.where(is_forgotten, random.uniform(1380, 1439, rows), np.minimum(minutes, 240))


def _meter(
    random: np.random.Generator, color: str, columns: Columns, minutes: np.ndarray, has_surcharge: bool
) -> Columns:
    """Returns the amounts that the meter shows. Vendor 1 counts the congestion surcharge as an extra as well."""
    is_green, rate, rows = color == "green", columns["RatecodeID"], len(minutes)
    fare = np.round(2.0 * (2.5 + 1.9 * columns["trip_distance"] + 0.33 * minutes)) / 2
    fare = np.where(rate == 2, 52.0, np.where(rate == 5, np.round(random.uniform(5, 70, rows)), fare))
    surcharge = (2.75 if is_green else 2.5) * has_surcharge
    congestion = surcharge * (random.random(rows) < (0.222 if is_green else 0.9))
    extra = np.repeat([0.0, 0.5, 1.0], rows // 3) * (rate == 1)
    extra = extra + congestion * (columns["VendorID"] == 1) * (random.random(rows) < (0.3 if is_green else 0.98))
    return _amounts(random, fare, extra, congestion, columns["payment_type"], 0.075 if is_green else 0.05)


def _amounts(
    random: np.random.Generator,
    fare: np.ndarray,
    extra: np.ndarray,
    congestion: np.ndarray,
    payment: np.ndarray,
    share_with_toll: float,
) -> Columns:
    """Returns the amounts in dollars. Only cards record tips; refunds and disputes have negative amounts."""
    rows = len(fare)
    tolls = np.where(random.random(rows) < share_with_toll, _draw(random, rows, [6.12, 2.8, 12.24, 11.75], _TOLLS), 0.0)
    due = fare + extra + 0.8 + congestion + tolls
    tip = np.round(due * random.choice([0.0, 0.1, 0.15, 0.2, 0.2, 0.2, 0.25, 0.3], rows), 2) * (payment == 1)
    sign = np.where((payment >= 3) & (random.random(rows) < 0.4), -1.0, 1.0)
    amounts = {
        "fare_amount": fare,
        "extra": extra,
        "mta_tax": np.full(rows, 0.5),
        "tolls_amount": tolls,
        "improvement_surcharge": np.full(rows, 0.3),
        "congestion_surcharge": congestion,
    }
    signed = {name: np.round(sign * amount, 2) + 0.0 for name, amount in amounts.items()}  # + 0.0: no -0
    return {**signed, "tip_amount": tip, "total_amount": np.round(sign * due + tip, 2)}


def _zones(random: np.random.Generator, rows: int, column: str) -> np.ndarray:
    zones, weights = _zone_weights(column)
    return zones[np.searchsorted(np.cumsum(weights), random.integers(0, weights.sum(), rows), side="right")]


@lru_cache
def _zone_weights(column: str) -> tuple[np.ndarray, np.ndarray]:
    with ZONE_WEIGHTS.open(encoding="utf-8", newline="") as file:
        pairs = [(int(row["zone"]), int(row[column])) for row in csv.DictReader(file)]
    zones, weights = zip(*pairs)
    return np.array(zones), np.array(weights)


def _pool(
    color: str, columns: Columns, minutes: np.ndarray, random: np.random.Generator, whole_minutes: float
) -> TripPool:
    schema = FILE_SCHEMAS[color]
    first, _, _, *others = schema.names
    typed = {}
    for name in (first, *others):
        array = pa.array(columns[name], from_pandas=True)
        typed[name] = array.cast(schema.field(name).type)
    seconds = np.round(minutes * 60).astype(np.int64)
    if whole_minutes < 0.5:
        seconds = seconds + random.integers(0, 60, len(seconds))
    ends = pa.scalar("\n")
    return TripPool(
        typed,
        seconds,
        heads=pc.binary_join_element_wise(_text(typed[first]), "", ","),
        tails=pc.binary_join_element_wise(
            pc.binary_join_element_wise("", *(_text(typed[name]) for name in others), ","), ends, ""
        ),
        share_of_whole_minutes=whole_minutes,
    )


def _text(array: pa.Array) -> pa.Array:
    """Returns values as a CSV file has them: a missing one is empty."""
    return pc.fill_null(array.cast(pa.string()), "")


_YELLOW_RATES = [0.9695, 0.0055, 0.022, 0.0022, 0.0008]
_YELLOW_PAYMENTS = [0.735, 0.257, 0.005, 0.003]
_YELLOW_PASSENGERS = [0.715, 0.15, 0.038, 0.019, 0.034, 0.023, 0.018]
_TOLLS = [0.93, 0.02, 0.025, 0.025]
