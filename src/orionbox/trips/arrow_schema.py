"""The trips' columns as pyarrow's schemas."""

from __future__ import annotations

import pyarrow as pa

from orionbox.trips.schema import COLUMNS, FILE_COLUMNS

INTEGER, NUMBER, TEXT, TIME = pa.int64(), pa.float64(), pa.string(), pa.timestamp("us")
_TYPES = {"integer": INTEGER, "number": NUMBER, "text": TEXT, "time": TIME}

FILE_SCHEMAS = {
    kind: pa.schema({name: _TYPES[type_] for name, type_ in columns.items()}) for kind, columns in FILE_COLUMNS.items()
}
"""The columns of every kind of file that the platform serves."""
ARROW_SCHEMAS = {color: FILE_SCHEMAS[color] for color in COLUMNS}
"""The columns of a month's file, by color."""
