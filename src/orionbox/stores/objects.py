"""The months' objects in the bucket."""

from __future__ import annotations

import pyarrow as pa
from google.cloud.storage import Bucket

from orionbox.stores.parquet import Footer, read_footer
from orionbox.trips import kinds
from orionbox.trips.months import TripFile

FOOTER_BYTES = 1 << 20
"""How much of an object is fetched at a time for its footer."""


def require_replaceable(target: Bucket, trips: TripFile, new: Footer, force: bool) -> None:
    """Refuses to replace the month's object by one of a lower rank.

    The course's own code writes objects of the same names, without a record of their kind. If their numbers are those
    of the new object, they hold the same trips, so replacing them loses nothing.

    Raises:
        BadInputError: the stored object has a higher rank.
    """
    blob = target.blob(trips.object_name)
    if force or not blob.exists():
        return
    try:
        with blob.open("rb", chunk_size=FOOTER_BYTES) as file:
            stored = read_footer(file)
    except pa.ArrowInvalid:  # no parquet file, so no month
        return
    if stored.kind or not stored.has_same_numbers(new):
        store = f"gs://{target.name}/{trips.object_name}"
        kinds.require_replaceable(store, trips, stored.kind_of(trips), new.kind, force)
