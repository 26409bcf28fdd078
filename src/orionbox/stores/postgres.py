"""The warehouse in Postgres: a table for each colour, a partition for each source file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from orionbox.errors import BadInputError
from orionbox.trips.months import TripFile, table_name
from orionbox.trips.schema import SOURCE_FILE, TRIPS, postgres_columns

LOCK_TIMEOUT = "60s"
"""How long a finished load waits for readers before it gives up and is rolled back."""


def ensure_table(cursor: dbapi.Cursor, color: str) -> None:
    """Makes the colour's table where there is none.

    Raises:
        BadInputError: something else has that name.
    """
    table = table_name(color)
    columns = postgres_columns(TRIPS[color])
    cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext('{table}'))")
    cursor.execute(
        f'CREATE TABLE IF NOT EXISTS "{table}" ({columns}, {SOURCE_FILE} text NOT NULL) '
        f"PARTITION BY LIST ({SOURCE_FILE})"
    )
    cursor.execute(f"SELECT relkind::text FROM pg_class WHERE oid = '\"{table}\"'::regclass")
    if cursor.fetchone() != ("p",):
        raise BadInputError(
            f"Postgres: there is another {table}, without partitions, so a month in it cannot be replaced; "
            f"rename or drop it: ALTER TABLE {table} RENAME TO my_{table}"
        )


def create_tables(uri: str) -> None:
    """Makes the tables of all colours."""
    for color in TRIPS:
        with dbapi.connect(uri) as connection, connection.cursor() as cursor:
            ensure_table(cursor, color)
            connection.commit()


def replace_month(uri: str, trips: TripFile, batches: Iterable[pa.RecordBatch]) -> int:
    """Puts `batches` in place of the month's rows, in one transaction.

    The rows are loaded into a table of their own, which is then swapped in as the month's partition: readers see the
    old month until they see the new one, and wait for nothing but the swap.

    Args:
        uri: `postgresql://user:password@host:port/database`.
        trips: the month; its source file's name is the key.
        batches: the rows, with the columns of `TRIPS[trips.color]`.

    Returns:
        The number of rows loaded.

    Raises:
        Exception: whatever `batches` raises; nothing has changed then.
    """
    schema = TRIPS[trips.color]
    partition, fresh = trips.name, f"{trips.name}.new"
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext('{trips.csv_name}'))")
        source_file = f"{SOURCE_FILE} text NOT NULL DEFAULT '{trips.csv_name}'"
        cursor.execute(f'CREATE TABLE "{fresh}" ({postgres_columns(schema)}, {source_file})')
        rows = _ingest(cursor, fresh, schema, batches)
        # Only from here on is the month's table touched: two loads never wait for each other's locks in a circle.
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        ensure_table(cursor, trips.color)
        cursor.execute(f'LOCK TABLE "{trips.table}" IN ACCESS EXCLUSIVE MODE')
        cursor.execute(f'DROP TABLE IF EXISTS "{partition}"')
        cursor.execute(f'ALTER TABLE "{fresh}" RENAME TO "{partition}"')
        cursor.execute(
            f'ALTER TABLE "{trips.table}" ATTACH PARTITION "{partition}" FOR VALUES IN (\'{trips.csv_name}\')'
        )
        connection.commit()
    return rows


def _ingest(cursor: dbapi.Cursor, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """COPYs the batches as they come; an error in their making is raised as it is, not as the driver retells it."""
    errors: list[Exception] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            errors.append(error)
            raise

    try:
        return int(cursor.adbc_ingest(table, pa.RecordBatchReader.from_batches(schema, watched()), mode="append"))
    except dbapi.Error as error:
        raise (errors[0] if errors else error) from error


def count_month(uri: str, trips: TripFile) -> int:
    """The month's rows in the warehouse."""
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM \"{trips.table}\" WHERE {SOURCE_FILE} = '{trips.csv_name}'")
        row = cursor.fetchone()
    return int(row[0]) if row else 0
