"""The queries that are compared with DuckDB alone: the same rows and the same work, in both dialects."""

from __future__ import annotations

ROWS = 4_100_000
"""Three full months."""
TABLE = "bench_trips"
GOOGLE = f"""
CREATE OR REPLACE TABLE {{dataset}}.{TABLE} AS
SELECT TIMESTAMP_ADD(TIMESTAMP '2021-01-01', INTERVAL MOD(n * 7919, 7776000) SECOND) AS pickup,
    MOD(n * 31, 265) AS zone, CAST(MOD(n, 7) AS INT64) AS passengers, MOD(n * 17, 10000) / 100 AS amount
FROM (SELECT a * 1000 + b AS n FROM UNNEST(GENERATE_ARRAY(0, {ROWS // 1000 - 1})) AS a,
    UNNEST(GENERATE_ARRAY(0, 999)) AS b)
"""
DUCKDB = f"""
CREATE OR REPLACE TABLE {TABLE} AS
SELECT TIMESTAMPTZ '2021-01-01 00:00:00+00' + to_seconds(n * 7919 % 7776000) AS pickup,
    n * 31 % 265 AS zone, n % 7 AS passengers, (n * 17 % 10000) / 100.0::DOUBLE AS amount
FROM range({ROWS}) AS t(n)
"""
QUERIES = {
    "count": (
        "SELECT COUNT(*), COUNTIF(passengers > 2) FROM {table}",
        "SELECT count(*), count(*) FILTER (passengers > 2) FROM {table}",
    ),
    "group": (
        "SELECT zone, COUNT(*), SUM(passengers) FROM {table} GROUP BY zone ORDER BY zone",
        "SELECT zone, count(*), sum(passengers) FROM {table} GROUP BY zone ORDER BY zone",
    ),
    "daily": (
        "SELECT DATE(pickup) AS day, COUNT(*), AVG(amount) FROM {table} GROUP BY day ORDER BY day",
        "SELECT CAST(pickup AS DATE) AS day, count(*), avg(amount) FROM {table} GROUP BY day ORDER BY day",
    ),
    "window": (
        "SELECT COUNTIF(place = 1) FROM (SELECT ROW_NUMBER() OVER (PARTITION BY zone ORDER BY pickup) AS place "
        "FROM {table})",
        "SELECT count(*) FILTER (place = 1) FROM (SELECT row_number() OVER (PARTITION BY zone ORDER BY pickup) "
        "AS place FROM {table})",
    ),
    "join": (
        "SELECT COUNT(*), SUM(a.amount) FROM {table} AS a JOIN (SELECT zone, MAX(amount) AS amount FROM {table} "
        "GROUP BY zone) AS b ON a.zone = b.zone AND a.amount = b.amount",
        "SELECT count(*), sum(a.amount) FROM {table} AS a JOIN (SELECT zone, max(amount) AS amount FROM {table} "
        "GROUP BY zone) AS b ON a.zone = b.zone AND a.amount = b.amount",
    ),
}
"""By name: GoogleSQL, and hand-written DuckDB SQL."""
ROUNDS = 5
