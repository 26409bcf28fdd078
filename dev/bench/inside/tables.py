"""Counts what a load left in Postgres. Both virtual environments of the image can import it."""

from __future__ import annotations

import psycopg2


def count_and_drop(warehouse: str, table: str, drop: str = "") -> int:
    """Returns the table's rows, then drops it.

    Args:
        warehouse: the address of Postgres.
        table: its name.
        drop: what to drop instead, for example a schema.
    """
    with psycopg2.connect(warehouse) as connection:
        cursor = connection.cursor()
        cursor.execute(f"SELECT count(*) FROM {table}")
        (row,) = cursor.fetchall()
        cursor.execute(f"DROP {drop or f'TABLE {table}'}")
    return int(row[0])
