"""What a load left in Postgres; for all environments in the image."""

from __future__ import annotations

import psycopg2


def count_and_drop(warehouse: str, table: str, drop: str = "") -> int:
    """The table's rows, counted by Postgres; then it is gone, or what `drop` says."""
    with psycopg2.connect(warehouse) as connection:
        cursor = connection.cursor()
        cursor.execute(f"SELECT count(*) FROM {table}")
        (row,) = cursor.fetchall()
        cursor.execute(f"DROP {drop or f'TABLE {table}'}")
    return int(row[0])
