"""The warehouse in Postgres: one table per color, one partition per source file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from orionbox.errors import BadInputError
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.months import TripFile, table_name
from orionbox.trips.schema import COLUMNS, SOURCE_FILE, postgres_columns

LOCK_TIMEOUT = "60s"
"""How long a finished load waits for readers before Postgres rolls it back."""


def ensure_table(cursor: dbapi.Cursor, color: str) -> None:
    """Creates the color's table if it does not exist.

    Raises:
        BadInputError: another table has its name.
    """
    table = table_name(color)
    columns = postgres_columns(COLUMNS[color])
    cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext('{table}'))")
    cursor.execute(
        f'CREATE TABLE IF NOT EXISTS "{table}" ({columns}, {SOURCE_FILE} text NOT NULL) '
        f"PARTITION BY LIST ({SOURCE_FILE})"
    )
    cursor.execute(f"SELECT relkind::text FROM pg_class WHERE oid = '\"{table}\"'::regclass")
    if cursor.fetchone() != ("p",):
        raise BadInputError(
            f"Postgres: there is another {table}, without partitions, so a month in it cannot be replaced",
            f"rename or drop it: ALTER TABLE {table} RENAME TO my_{table}",
        )


def create_tables(uri: str) -> None:
    """Creates the tables of all colors that do not exist."""
    for color in COLUMNS:
        with dbapi.connect(uri) as connection, connection.cursor() as cursor:
            ensure_table(cursor, color)
            connection.commit()


def replace_month(uri: str, trips: TripFile, batches: Iterable[pa.RecordBatch]) -> int:
    """Replaces the month's rows with `batches`, in one transaction.

    The rows go into a separate table, which then becomes the month's partition. Readers see the old month until
    the swap, and wait only for the swap.

    Args:
        uri: `postgresql://user:password@host:port/database`.
        trips: the month; its source file's name is the key.
        batches: the rows, with the columns of `ARROW_SCHEMAS[trips.color]`.

    Returns:
        The number of rows loaded.

    Raises:
        Exception: whatever `batches` raises; nothing is changed then.
    """
    partition, new = trips.name, f"{trips.name}.new"
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext('{trips.csv_name}'))")
        source_file = f"{SOURCE_FILE} text NOT NULL DEFAULT '{trips.csv_name}'"
        cursor.execute(f'CREATE TABLE "{new}" ({postgres_columns(COLUMNS[trips.color])}, {source_file})')
        rows = _ingest(cursor, new, ARROW_SCHEMAS[trips.color], batches)
        # Lock the shared table only now, so that two loads cannot deadlock
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        ensure_table(cursor, trips.color)
        cursor.execute(f'LOCK TABLE "{trips.table}" IN ACCESS EXCLUSIVE MODE')
        cursor.execute(f'DROP TABLE IF EXISTS "{partition}"')
        cursor.execute(f'ALTER TABLE "{new}" RENAME TO "{partition}"')
        cursor.execute(
            f'ALTER TABLE "{trips.table}" ATTACH PARTITION "{partition}" FOR VALUES IN (\'{trips.csv_name}\')'
        )
        connection.commit()
    return rows


def _ingest(cursor: dbapi.Cursor, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """COPYs the batches as they come; re-raises an error of `batches` unchanged."""
    errors: list[Exception] = []

    def remember_errors() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            errors.append(error)
            raise

    try:
        return int(
            cursor.adbc_ingest(table, pa.RecordBatchReader.from_batches(schema, remember_errors()), mode="append")
        )
    except dbapi.Error as error:
        raise (errors[0] if errors else error) from error


def count_month(uri: str, trips: TripFile) -> int:
    """Returns the number of the month's rows in the warehouse."""
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM \"{trips.table}\" WHERE {SOURCE_FILE} = '{trips.csv_name}'")
        row = cursor.fetchone()
    return int(row[0]) if row else 0
