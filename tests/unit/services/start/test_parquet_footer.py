"""The rows of parquet files, compared with what the library that wrote them says."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.start.lesson.parquet_footer import NotParquetError, count_rows, footer_length


def parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


WIDE = pa.table({f"column_{number}": [1.5, None] for number in range(40)})


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": pa.array([], pa.int64())}),
        pa.table({"a": range(1000), "b": ["x"] * 1000}),
        pa.table({"when": pa.array([1, 2, 3], pa.timestamp("us")), "yes": [True, False, None], "l": [[1], [], None]}),
        WIDE,
    ],
)
@pytest.mark.parametrize("options", [{}, {"version": "1.0", "compression": "gzip"}, {"row_group_size": 1}])
def test_the_rows_are_those_that_were_written(table: pa.Table, options: dict[str, object]) -> None:
    if table.num_rows > 100 and "row_group_size" in options:
        options = {"row_group_size": 7}
    content = parquet(table, **options)
    assert count_rows(content) == table.num_rows
    assert count_rows(content[-footer_length(content[-8:]) :]) == table.num_rows


@pytest.mark.parametrize("content", [b"", b"PAR1", b"VendorID,x\n1,2\n", b"\x00" * 20 + b"\x08\x00\x00\x00PAR1"])
def test_what_is_not_parquet_is_refused(content: bytes) -> None:
    with pytest.raises(NotParquetError):
        count_rows(content)


def test_a_part_of_the_footer_is_not_enough() -> None:
    with pytest.raises(NotParquetError):
        count_rows(parquet(WIDE)[-100:])
