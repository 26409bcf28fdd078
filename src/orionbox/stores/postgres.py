"""The warehouse in Postgres: one table per color, one partition per source file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from orionbox.errors import BadInputError
from orionbox.trips import kinds
from orionbox.trips.arrow_schema import ARROW_SCHEMAS
from orionbox.trips.months import TripFile, table_name
from orionbox.trips.schema import COLUMNS, SOURCE_FILE, postgres_columns

KIND_COMMENT = "orionbox data: "
"""How the comment of a partition begins that names the kind of its data."""
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


def replace_month(
    uri: str, trips: TripFile, batches: Iterable[pa.RecordBatch], kind: Callable[[int], str], force: bool = False
) -> int:
    """Replaces the month's rows with `batches`, in one transaction.

    The rows go into a separate table, which then becomes the month's partition. Readers see the old month until
    the swap, and wait only for the swap.

    Args:
        uri: `postgresql://user:password@host:port/database`.
        trips: the month; its source file's name is the key.
        batches: the rows, with the columns of `ARROW_SCHEMAS[trips.color]`.
        kind: returns the kind of the data from the number of rows; a comment of the partition records it.
        force: whether a month of a higher rank may be replaced.

    Returns:
        The number of rows loaded.

    Raises:
        BadInputError: the stored month has a higher rank.
        Exception: whatever `batches` raises; nothing is changed then.
    """
    new = f"{trips.name}.new"
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock(hashtext('{trips.csv_name}'))")
        source_file = f"{SOURCE_FILE} text NOT NULL DEFAULT '{trips.csv_name}'"
        cursor.execute(f'CREATE TABLE "{new}" ({postgres_columns(COLUMNS[trips.color])}, {source_file})')
        rows = _ingest(cursor, new, ARROW_SCHEMAS[trips.color], batches)
        kinds.require_replaceable(f"Postgres {trips.table}", trips, _stored_kind(cursor, trips), kind(rows), force)
        cursor.execute(f"COMMENT ON TABLE \"{new}\" IS '{KIND_COMMENT}{kind(rows)}'")
        _swap(cursor, trips, new)
        connection.commit()
    return rows


def _swap(cursor: dbapi.Cursor, trips: TripFile, new: str) -> None:
    """Makes the new table the month's partition, in place of the old one."""
    partition = trips.name
    # Lock the shared table only now, so that two loads cannot deadlock
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    ensure_table(cursor, trips.color)
    cursor.execute(f'LOCK TABLE "{trips.table}" IN ACCESS EXCLUSIVE MODE')
    cursor.execute(f'DROP TABLE IF EXISTS "{partition}"')
    cursor.execute(f'ALTER TABLE "{new}" RENAME TO "{partition}"')
    cursor.execute(f'ALTER TABLE "{trips.table}" ATTACH PARTITION "{partition}" FOR VALUES IN (\'{trips.csv_name}\')')


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


def _stored_kind(cursor: dbapi.Cursor, trips: TripFile) -> str | None:
    """Returns the kind of the stored month; None if there is none."""
    cursor.execute(
        f"SELECT to_regclass('\"{trips.name}\"')::text, obj_description(to_regclass('\"{trips.name}\"'), 'pg_class')"
    )
    table, comment = cursor.fetchone() or (None, None)
    if table is None:
        return None
    recorded = (comment or "").partition(KIND_COMMENT)[2]
    if recorded in kinds.KINDS:
        return str(recorded)
    cursor.execute(f'SELECT count(*) FROM "{trips.name}"')
    rows = int((cursor.fetchone() or (0,))[0])
    return kinds.kind_without_record(trips, rows) if rows else None


def count_month(uri: str, trips: TripFile) -> int:
    """Returns the number of the month's rows in the warehouse."""
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM \"{trips.table}\" WHERE {SOURCE_FILE} = '{trips.csv_name}'")
        row = cursor.fetchone()
    return int(row[0]) if row else 0
