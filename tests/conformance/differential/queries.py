"""Draws whole queries over a small table of edge values, and compares both sides' rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from services.bigquery.types import Type
from tests.conformance.differential import edges
from tests.conformance.differential.judge import ACCEPTED, LOUD, WRONG, Judge

BAD = (WRONG, ACCEPTED, LOUD)
COLUMNS = [
    ("i", Type("INT64")),
    ("n", Type("INT64")),
    ("f", Type("DOUBLE")),
    ("x", Type("DOUBLE")),
    ("s", Type("STRING")),
    ("u", Type("NUMERIC")),
    ("d", Type("DATE")),
    ("b", Type("BOOL")),
    ("k", Type("STRING")),
    ("w", Type("TIMESTAMP")),
]
"""i counts the rows; f and s have edges; n, x and u are small; k has few values."""
_NAMES = [name for name, _ in COLUMNS[1:]]
_FLOATS = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.5, -2.5, 1e308]


def rows(dice: random.Random, count: int) -> list[list[Any]]:
    """Rows of the table."""
    result = []
    for number in range(count):
        values = [
            number,
            dice.choice([None, 1, 2, 3, 4, -7]),
            dice.choice([None, *_FLOATS]),
            dice.choice([None, 0.5, 1.5, -3.0, 2.25]),
            edges.value(Type("STRING"), dice, 0.15),
            edges.unscaled_numeric(dice),
            edges.value(Type("DATE"), dice, 0.2),
            dice.choice([None, True, False]),
            dice.choice([None, "x", "y"]),
            edges.value(Type("TIMESTAMP"), dice, 0.2),
        ]
        result.append(values)
    return result


_AGGREGATES = (
    "COUNT(*)",
    "COUNT({0})",
    "COUNT(DISTINCT {0})",
    "MIN({0})",
    "MAX({0})",
    "SUM(n)",
    "SUM(x)",
    "SUM(u)",
    "AVG(n)",
    "AVG(x)",
    "MIN(f)",
    "MAX(f)",
    "COUNTIF(b)",
    "LOGICAL_AND(b)",
    "LOGICAL_OR(b)",
    "STRING_AGG(s ORDER BY i)",
    "ARRAY_AGG({0} IGNORE NULLS ORDER BY i)",
    "ARRAY_AGG(n IGNORE NULLS ORDER BY n, i LIMIT 2)",
    "STRING_AGG(DISTINCT k ORDER BY k DESC)",
    "STDDEV_POP(x)",
    "VAR_SAMP(n)",
    "BIT_XOR(n)",
)
_WINDOWS = (
    "ROW_NUMBER() OVER (PARTITION BY k ORDER BY {0}, i)",
    "RANK() OVER (ORDER BY {0})",
    "DENSE_RANK() OVER (ORDER BY {0} DESC)",
    "LAG({0}) OVER (ORDER BY i)",
    "LEAD({0}, 2) OVER (PARTITION BY k ORDER BY i)",
    "CUME_DIST() OVER (ORDER BY {0})",
    "FIRST_VALUE({0} IGNORE NULLS) OVER (ORDER BY i)",
    "LAST_VALUE({0}) OVER (PARTITION BY b ORDER BY {0}, i)",
    "SUM(n) OVER (PARTITION BY k ORDER BY i)",
    "COUNT({0}) OVER (ORDER BY n RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING)",
    "MAX({0}) OVER (ORDER BY i ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
    "NTILE(3) OVER (ORDER BY {0}, i)",
    "NTH_VALUE({0}, 2) OVER (ORDER BY i)",
    "PERCENT_RANK() OVER (PARTITION BY k ORDER BY {0})",
)
_CONDITIONS = (
    "{0} IS NULL",
    "{0} IS NOT NULL",
    "n > 1",
    "f < 2",
    "f = f",
    "f <> 1.5",
    "NOT b",
    "b OR n = 2",
    "k = 'x'",
    "s LIKE '%a%'",
    "{0} IN (SELECT {0} FROM t WHERE i < 9 AND {0} IS NOT NULL)",
    "i BETWEEN 3 AND 20",
    "x IN (0.5, 2.25)",
    "MOD(i, 3) = 0",
    "{0} NOT IN (SELECT {0} FROM t WHERE i < 4)",
    "EXISTS(SELECT 1 FROM t u WHERE u.{0} = t.{0} AND u.i < t.i)",
    "{0} IS NOT DISTINCT FROM {0}",
    "COALESCE(b, n > 2, TRUE)",
    "d < DATE '2020-01-01'",
    "LENGTH(s) > 1",
)
_SCALARS = (
    "{0}",
    "IF(b, n, i)",
    "COALESCE(n, 0) * 2",
    "CASE WHEN n > 2 THEN 'big' WHEN n IS NULL THEN 'none' ELSE 'small' END",
    "CONCAT(k, '-', s)",
    "UPPER(s)",
    "SUBSTR(s, 2)",
    "EXTRACT(YEAR FROM d)",
    "CAST(x AS STRING)",
    "x / 2",
    "u + 1",
    "-x",
    "CASE {0} WHEN (SELECT MIN({0}) FROM t) THEN 1 ELSE 2 END",
    "(SELECT COUNT(*) FROM t u WHERE u.{0} = t.{0})",
    "ARRAY(SELECT u.i FROM t u WHERE u.{0} = t.{0} ORDER BY u.i DESC)",
    "STRUCT({0} AS a, n AS b)",
    "(k, {0}) = ('x', {0})",
    "GREATEST(n, i)",
    "NULLIF(k, 'x')",
    "x IS NULL OR x > 1",
    "CAST(u AS FLOAT64)",
    "DATE_ADD(d, INTERVAL n DAY)",
    "TIMESTAMP_TRUNC(w, DAY)",
    "SAFE_DIVIDE(x, n)",
    "ROUND(x, 1)",
    "TO_JSON_STRING({0})",
    "[n, i][SAFE_OFFSET(1)]",
)


def _column(dice: random.Random) -> str:
    return dice.choice(_NAMES)


def _filled(dice: random.Random, texts: tuple[str, ...]) -> str:
    return dice.choice(texts).format(_column(dice))


def _where(dice: random.Random) -> str:
    conditions = [_filled(dice, _CONDITIONS) for _ in range(dice.randrange(3))]
    return f" WHERE {dice.choice([' AND ', ' OR ']).join(conditions)}" if conditions else ""


def draw(dice: random.Random) -> tuple[str, bool]:
    """A query, and whether its rows have an order."""
    return dice.choice(_SHAPES)(dice)


def _plain(dice: random.Random) -> tuple[str, bool]:
    items = ", ".join(f"{_filled(dice, _SCALARS)} AS c{number}" for number in range(dice.randrange(1, 4)))
    return f"SELECT i, {items} FROM t{_where(dice)}", False


def _ordered(dice: random.Random) -> tuple[str, bool]:
    direction = dice.choice(["", " DESC", " NULLS LAST", " DESC NULLS FIRST"])
    limit = dice.choice(["", " LIMIT 5", " LIMIT 7 OFFSET 3"])
    name = _column(dice)
    return f"SELECT i, {name} FROM t{_where(dice)} ORDER BY {name}{direction}, i{limit}", True


def _grouped(dice: random.Random) -> tuple[str, bool]:
    items = ", ".join(_filled(dice, _AGGREGATES) for _ in range(dice.randrange(1, 3)))
    by = _column(dice)
    shape = dice.choice(["{0}", "ROLLUP(k, {0})", "GROUPING SETS ((k), ({0}), ())", "CUBE(b, {0})"]).format(by)
    if shape == by:
        having = dice.choice(["", " HAVING COUNT(*) > 1"])
        return f"SELECT {by}, {items} FROM t{_where(dice)} GROUP BY {by}{having}", False
    return f"SELECT {by}, {items} FROM t{_where(dice)} GROUP BY {shape}", False


def _total(dice: random.Random) -> tuple[str, bool]:
    return f"SELECT {_filled(dice, _AGGREGATES)}, {_filled(dice, _AGGREGATES)} FROM t{_where(dice)}", False


def _windowed(dice: random.Random) -> tuple[str, bool]:
    return f"SELECT i, {_filled(dice, _WINDOWS)} AS w1, {_filled(dice, _WINDOWS)} AS w2 FROM t{_where(dice)}", False


def _qualified(dice: random.Random) -> tuple[str, bool]:
    name = _column(dice)
    return f"SELECT i FROM t{_where(dice)} QUALIFY ROW_NUMBER() OVER (PARTITION BY {name} ORDER BY i DESC) = 1", False


def _joined(dice: random.Random) -> tuple[str, bool]:
    name, word = _column(dice), dice.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
    on = dice.choice(["a.{0} = b.{0}", "a.{0} = b.{0} AND b.i < 9", "a.{0} < b.{0}", "a.n = b.i"]).format(name)
    return f"SELECT a.i, b.i AS j, b.{name} FROM t a {word} (SELECT * FROM t WHERE i < 12) b ON {on}", False


def _combined(dice: random.Random) -> tuple[str, bool]:
    name, word = _column(dice), dice.choice(["UNION ALL", "UNION DISTINCT", "INTERSECT DISTINCT", "EXCEPT DISTINCT"])
    return f"SELECT {name} FROM t{_where(dice)} {word} SELECT {name} FROM t WHERE i > 9", False


def _named(dice: random.Random) -> tuple[str, bool]:
    inner, _ = _plain(dice)
    return f"WITH q AS ({inner}) SELECT a.*, (SELECT COUNT(*) FROM q) AS m FROM q a JOIN q b ON a.i = b.i", False


def _unnested(dice: random.Random) -> tuple[str, bool]:
    name, word = _column(dice), dice.choice([", UNNEST", " LEFT JOIN UNNEST", " CROSS JOIN UNNEST"])
    return f"SELECT i, e, o FROM t{word}(IF(n > 1, [{name}, {name}], [])) AS e WITH OFFSET o", False


def _distinct(dice: random.Random) -> tuple[str, bool]:
    return f"SELECT DISTINCT {_column(dice)}, {_column(dice)} AS c2 FROM t{_where(dice)}", False


def _piped(dice: random.Random) -> tuple[str, bool]:
    name = _column(dice)
    return f"FROM t |> WHERE i < 20 |> AGGREGATE COUNT(*) AS c, MAX(i) AS m GROUP BY {name} |> WHERE c > 1", False


def _pivoted(dice: random.Random) -> tuple[str, bool]:
    return f"SELECT * FROM (SELECT k, n, {_column(dice)} AS v FROM t) PIVOT(COUNT(v) FOR k IN ('x', 'y'))", False


_SHAPES = (
    _plain,
    _plain,
    _ordered,
    _grouped,
    _grouped,
    _total,
    _windowed,
    _qualified,
    _joined,
    _combined,
    _named,
    _unnested,
    _distinct,
    _piped,
    _pivoted,
)


def compare(judge: Judge, dice: random.Random, count: int) -> Iterator[tuple[str, str]]:
    """The verdicts on so many queries over one table."""
    judge.fill(COLUMNS, rows(dice, 30))
    for _ in range(count):
        yield judge.whole(*draw(dice))
