"""The trips' columns as pyarrow's schemas."""

from __future__ import annotations

import pyarrow as pa

from orionbox.trips.schema import COLUMNS

INTEGER, NUMBER, TEXT, TIME = pa.int64(), pa.float64(), pa.string(), pa.timestamp("us")
_TYPES = {"integer": INTEGER, "number": NUMBER, "text": TEXT, "time": TIME}

ARROW_SCHEMAS = {
    color: pa.schema({name: _TYPES[kind] for name, kind in columns.items()}) for color, columns in COLUMNS.items()
}
"""The columns of a month's file, by color."""
