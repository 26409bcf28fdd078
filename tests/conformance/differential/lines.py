"""Compares lines of `compiler/signatures/*.sql` with Google's evaluator, many in one query, which takes it 30 ms."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.bigquery import types
from services.bigquery.compiler.module_text import operator_text
from services.bigquery.compiler.signatures.lines import AGGREGATES, CASTS, SCALARS, WINDOWS, Line
from services.bigquery.compiler.statement import Query
from services.bigquery.errors import BigQueryError, NotBuilt, from_duckdb
from services.bigquery.types import BY_NAME, Type
from tests.conformance.differential import edges
from tests.conformance.differential.judge import ACCEPTED, LOUD, WRONG, Difference, Failure, Judge, same_rows

VALUES = 80
"""How many rows of arguments are drawn for one set of types."""
PLAIN, OVER = "plain", "over"
"""What can be compared of a line: its function as it is, and with OVER (...)."""
MOST_ELEMENTS = 16_000
"""Elements of an array that Google's evaluator generates; BigQuery has 1,048,575."""
LEAST = 50
"""A line counts after so many values."""
_INT, _TEXT = Type("INT64"), Type("STRING")
_CHOICES = {
    "?": ["INT64", "DOUBLE", "STRING"],
    "ORDERED": ["INT64", "STRING", "DATE", "NUMERIC", "TIMESTAMP", "BIGNUMERIC"],
}
_MIXED = {"$array_at_offset", "$array_at_ordinal", "$safe_array_at_offset", "$safe_array_at_ordinal", "lead", "lag",
          "nth_value", "range_contains", "if", "percentile_cont", "percentile_disc"}  # fmt: skip
"""Functions whose arguments have different types although a pattern is for any."""


_CONSTANT_CALLS = {
    ("string_agg", 2): "STRING_AGG(a0, '|')",
    ("percentile_cont", 2): "PERCENTILE_CONT(a0, 0.3)",
    ("percentile_disc", 2): "PERCENTILE_DISC(a0, 0.3)",
    ("ntile", 1): "NTILE(2)",
    ("nth_value", 2): "NTH_VALUE(a0, 2)",
    ("lead", 2): "LEAD(a0, 2)",
    ("lag", 2): "LAG(a0, 2)",
    ("lead", 3): "LEAD(a0, 2, NULL)",
    ("lag", 3): "LAG(a0, 2, NULL)",
}
"""Calls whose arguments have to be constant."""


@dataclass
class Result:
    """What the comparison of a line found.

    Attributes:
        values: How many values agree.
        over: How many of them as a window function.
        differences: Where they do not; empty if the line may count.
        over_differences: The same for window functions.
    """

    values: int = 0
    over: int = 0
    differences: list[Difference] = field(default_factory=list)
    over_differences: list[Difference] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """Adds what another comparison found."""
        self.values += other.values
        self.over += other.over
        self.differences += other.differences
        self.over_differences += other.over_differences


def parse(text: str) -> Type:
    """A type as the table writes it."""
    if text.endswith(">"):
        head, inner = text[:-1].split("<", 1)
        return Type(head, parse(inner))
    return Type(BY_NAME.get(text, text))


def _alternatives(pattern: str) -> list[Type]:
    if pattern == "ARRAY":
        return [Type("ARRAY", _TEXT), Type("ARRAY", _INT)]
    if pattern == "RANGE":
        return [Type("RANGE", Type("DATE"))]
    return [parse(name) for name in _CHOICES.get(pattern, [pattern])]


def type_sets(line: Line) -> Iterator[list[Type]]:
    """The sets of argument types with which to compare a line."""
    patterns = [[part.removesuffix("...") for part in either] for either in line.arguments]
    if line.arguments and line.arguments[-1][0].endswith("..."):
        patterns.append(patterns[-1])
    options = [[kind for part in either for kind in _alternatives(part)] for either in patterns]
    general = any(part in ("?", "ORDERED", "ARRAY", "RANGE") for either in patterns for part in either)
    for kinds in itertools.product(*options):
        free = [kind for kind in kinds if kind.kind != "BOOL" or line.name != "if"]
        if general and line.name not in _MIXED and len({str(kind) for kind in free}) > 1:
            continue
        if line.name == "if" and str(kinds[1]) != str(kinds[2]):
            continue
        if line.name in ("lead", "lag") and len(kinds) == 3 and str(kinds[0]) != str(kinds[2]):
            continue
        yield list(kinds)


def call_text(line: Line, count: int) -> str:
    """The call in GoogleSQL, over columns a0, a1, ..."""
    arguments = [f"a{number}" for number in range(count)]
    if line.family == CASTS:
        return f"CAST(a0 AS {parse(line.name.split('>')[1]).sql})"
    name, _, part = line.name.partition(" ")
    part = f"WEEK({part.removeprefix('WEEK_')})" if part.startswith("WEEK_") else part
    if name == "$extract":
        return f"EXTRACT({part} FROM a0)"
    if part and name.endswith(("_add", "_sub")):
        return f"{name.upper()}(a0, INTERVAL a1 {part})"
    if part and name.endswith("_array"):
        return f"{name.upper()}(a0, a1, INTERVAL a2 {part})"
    if name == "$count_star":
        return "COUNT(*)"
    return operator_text(name, arguments) or f"{name.upper()}({', '.join([*arguments, *filter(None, [part])])})"


def compare(
    judge: Judge, table: Sequence[Line], dice: random.Random, rows: int = VALUES, parts: Sequence[str] = (PLAIN, OVER)
) -> dict[Line, Result]:
    """Compares lines on about `rows` values for each set of types: as they are, as window functions, or both."""
    results = {line: Result() for line in table}
    for families, part, work in (
        ((SCALARS, CASTS), PLAIN, _scalars),
        ((AGGREGATES,), PLAIN, _aggregates),
        ((AGGREGATES, WINDOWS), OVER, _windows),
    ):
        by_kinds: dict[tuple[Type, ...], list[Line]] = {}
        for line in (line for line in table if line.family in families and part in parts):
            for kinds in type_sets(line):
                by_kinds.setdefault(tuple(kinds), []).append(line)
        for group, members in by_kinds.items():
            work(judge, members, group, dice, rows, results)
    return results


@dataclass
class _Call:
    """A call of a line's function, compiled by itself."""

    line: Line
    text: str
    query: Query

    @property
    def type(self) -> Type:
        return self.query.columns[-1][1]


def _calls(judge: Judge, texts: Sequence[tuple[Line, str]], sql: str, results: dict[Line, Result]) -> list[_Call]:
    """The calls that GoogleSQL has and that use their line; `sql` has `{}` for a call."""
    found = []
    for line, text in texts:
        try:
            query = judge.compile(sql.format(text))
        except NotBuilt as error:
            if "DISTINCT" not in text and " OVER " not in text:
                results[line].differences.append(Difference(WRONG, f"{text}: {error}"))
        except BigQueryError:
            continue
        else:
            found += [_Call(line, text, query)] if line.text in query.lines else []
    return found


def _chunks(calls: list[_Call]) -> Iterator[list[_Call]]:
    for start in range(0, len(calls), 10):
        yield calls[start : start + 10]


def _columns(kinds: Sequence[Type], *before: str) -> list[tuple[str, Type]]:
    return [*((name, _INT) for name in before), *((f"a{number}", kind) for number, kind in enumerate(kinds))]


def _scalars(
    judge: Judge,
    members: Sequence[Line],
    kinds: Sequence[Type],
    dice: random.Random,
    rows: int,
    results: dict[Line, Result],
) -> None:
    arguments = _arguments(kinds, dice, rows)
    judge.fill(_columns(kinds, "i"), [[number, *row] for number, row in enumerate(arguments)])
    texts = [(line, call_text(line, len(kinds))) for line in members]
    for calls in _chunks(_calls(judge, texts, "SELECT i, {} FROM t", results)):
        items = ", ".join(f"ISERROR({call.text}), IFERROR({call.text}, NULL)" for call in calls)
        pairs = [kind for call in calls for kind in (Type("BOOL"), call.type)]
        wanted = judge.google(f"SELECT i, {items} FROM t", [_INT, *pairs])
        assert not isinstance(wanted, Failure), f"{items}: {wanted}"
        for place, call in enumerate(calls):
            at = 1 + 2 * place
            expected = {row[0]: Failure("error") if row[at] else row[at + 1] for row in wanted}
            got = _row_by_row(judge, call.query, expected)
            for number, value in expected.items():
                answer = got[number]
                if isinstance(answer, list) and len(answer) > MOST_ELEMENTS:
                    continue
                what = f"{call.text} of {arguments[number]!r}"
                _count(results[call.line], call.type, value, answer, what)


def _aggregates(
    judge: Judge,
    members: Sequence[Line],
    kinds: Sequence[Type],
    dice: random.Random,
    rows: int,
    results: dict[Line, Result],
) -> None:
    sql = "SELECT g, {} FROM t GROUP BY g"
    texts = [(line, form) for line in members for form in _forms(line, _text(line, kinds))]
    # Sums of floating-point numbers of all sizes depend on their order
    wild = [one for one in texts if one[0].name in _OVERFLOWING and kinds[0].kind != "DOUBLE"]
    for lines, is_same, is_wild in (
        ([one for one in texts if one[0].name != "any_value"], False, False),
        ([one for one in texts if one[0].name == "any_value"], True, False),
        ([one for one in wild if "DISTINCT" not in one[1]], False, True),
    ):
        if lines:
            count = 8 if is_wild else rows * 3 // 4
            judge.fill(_columns(kinds, "i", "g"), _groups(kinds, dice, count, is_same, is_wild))
            for calls in _chunks(_calls(judge, lines, sql, results)):
                _compare_calls(judge, calls, sql, results, False)


def _windows(
    judge: Judge,
    members: Sequence[Line],
    kinds: Sequence[Type],
    dice: random.Random,
    rows: int,
    results: dict[Line, Result],
) -> None:
    sql = "SELECT g, i, {} FROM t"
    texts = [(line, f"{_text(line, kinds)} OVER ({window})") for line in members for window in _windows_of(line)]
    for is_same, is_finite in ((False, True), (False, False), (True, False)):
        some = [one for one in texts if (one[0].name in _ANY and one[0].family == AGGREGATES) == is_same]
        # A percentile of infinity or NaN is left to the evaluator
        some = [one for one in some if one[0].name.startswith("percentile_")] if is_finite else some
        if some:
            rows_of = [_finite(row) if is_finite else row for row in _groups(kinds, dice, 20, is_same, False)]
            judge.fill(_columns(kinds, "i", "g"), rows_of)
            for calls in _chunks(_calls(judge, some, sql, results)):
                _compare_calls(judge, calls, sql, results, True)


def _finite(row: list[Any]) -> list[Any]:
    return [0.25 if isinstance(value, float) and not math.isfinite(value) else value for value in row]


def _text(line: Line, kinds: Sequence[Type]) -> str:
    return _CONSTANT_CALLS.get((line.name, len(kinds)), call_text(line, len(kinds)))


def _windows_of(line: Line) -> list[str]:
    if line.name == "approx_count_distinct":
        return []  # the evaluator counts for it with DISTINCT, which takes no order
    if line.name.startswith("percentile_"):
        return ["PARTITION BY g"]
    if line.name in _NO_FRAME:
        return [window for window in _SPECIFICATIONS if "BETWEEN" not in window and "ORDER" in window]
    # Without an order any row may be the first
    return [window for window in _SPECIFICATIONS if line.family == AGGREGATES or "ORDER" in window]


def _compare_calls(judge: Judge, calls: list[_Call], sql: str, results: dict[Line, Result], is_window: bool) -> None:
    """Compares calls of aggregate or window functions over `t`, by groups if one of them fails."""
    keys = 2 if is_window else 1
    kinds = [_INT] * keys + [call.type for call in calls]
    wanted = judge.google(sql.format(", ".join(_for_google(call.text) for call in calls)), kinds)
    if isinstance(wanted, Failure):
        for call in calls:
            _compare_groups(judge, call, sql, results, keys)
        return
    for place, call in enumerate(calls):
        rows = [[*row[:keys], row[keys + place]] for row in wanted]
        got = judge.ours(call.query)
        if isinstance(got, Failure) and _refuses(got):
            _compare_groups(judge, call, sql, results, keys)
        elif isinstance(got, Failure):
            _add(results[call.line], LOUD, f"{call.text}: {got}", is_window)
        else:
            _compare_rows(judge, call, rows, got, results[call.line], keys)


def _refuses(failure: Failure) -> bool:
    """Whether a line leaves a value to the evaluator, on purpose."""
    return isinstance(from_duckdb(failure), NotBuilt)


def _for_google(text: str) -> str:
    """The call for the evaluator, which has no approximations; ours count exactly."""
    return text.replace("APPROX_COUNT_DISTINCT(", "COUNT(DISTINCT ")


def _compare_groups(judge: Judge, call: _Call, sql: str, results: dict[Line, Result], keys: int) -> None:
    every, columns, result = judge.rows, judge.columns, results[call.line]
    kinds = [_INT] * keys + [call.type]
    for group in sorted({row[1] for row in every})[:MOST_GROUPS]:
        judge.fill(columns, [row for row in every if row[1] == group])
        wanted, got = judge.google(sql.format(_for_google(call.text)), kinds), judge.ours(call.query)
        if isinstance(got, Failure) and (isinstance(wanted, Failure) or _refuses(got)):
            continue
        if isinstance(wanted, Failure) or isinstance(got, Failure):
            verdict = ACCEPTED if isinstance(wanted, Failure) else LOUD
            _add(result, verdict, f"{call.text} of {judge.rows}: Google {wanted}, DuckDB {got}", keys == 2)
        else:
            _compare_rows(judge, call, wanted, got, result, keys)
    judge.fill(columns, every)


def _compare_rows(judge: Judge, call: _Call, wanted: Any, got: Any, result: Result, keys: int) -> None:
    ours = {tuple(row[:keys]): row[keys] for row in got}
    for row in wanted:
        other = ours.get(tuple(row[:keys]), Failure("no row"))
        is_same = not isinstance(other, Failure) and (row[keys] is None) == (other is None)
        is_same = is_same and (
            same_rows([call.type], [[row[keys]]], [[other]], True)
            or (
                call.line.name in _EITHER
                and call.type.kind == "DOUBLE"
                and row[keys] is not None
                and not math.isfinite(row[keys])
                and not math.isfinite(other)
            )
        )
        if is_same:
            result.over += keys == 2
            result.values += keys == 1
        else:
            values = [one[2:] for one in judge.rows if one[1] == row[0]]
            _add(result, WRONG, f"{call.text} of {values}: Google {row}, DuckDB {other!r}", keys == 2)


def _add(result: Result, verdict: str, text: str, is_window: bool) -> None:
    differences = result.over_differences if is_window else result.differences
    differences.append(Difference(verdict, text[:400]))


def _arguments(kinds: Sequence[Type], dice: random.Random, rows: int) -> list[list[Any]]:
    """All combinations of edges if they are few, else random ones."""
    if not kinds:
        return [[] for _ in range(rows)]
    lists = [[None, *edges.EDGES.get(kind.kind, [])] for kind in kinds]
    count = 1
    for one in lists:
        count *= len(one)
    known = (
        [list(row) for row in itertools.product(*lists)] if count <= rows and all(len(one) > 1 for one in lists) else []
    )
    return known + [[edges.value(kind, dice) for kind in kinds] for _ in range(rows - len(known))]


_OVERFLOWING = {"sum", "avg", "stddev_pop", "stddev_samp", "var_pop", "var_samp"}
_ANY = {"any_value", "approx_count_distinct"}
"""Functions that may answer with any row's value."""
_NOT_FINITE = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0]
_EITHER = {"avg"}
"""Functions that, as Google's reference says, give an infinity or NaN for a group with an infinity."""
MOST_GROUPS = 12
"""How many groups are looked at one by one, if one of them fails."""


_PROJECTION = re.compile(
    r"SELECT c(\d+) AS o0, c(\d+) AS o1 FROM \(SELECT c\1, (.*) AS c\2 FROM \((.*)\)\)$", re.DOTALL
)
SAMPLE = 8
"""How many of the rows with errors are looked at one by one: each is a query."""


def _row_by_row(judge: Judge, query: Query, expected: dict[int, Any]) -> dict[int, Any]:
    """DuckDB's values by the row's number, each error where it belongs."""
    whole = judge.ours(query)
    if not isinstance(whole, Failure):
        return {row[0]: row[1] for row in whole}
    found = _tried(judge, query)
    both = [number for number, value in expected.items() if isinstance(value, Failure) and found.get(number) is None]
    for number in both[SAMPLE:]:
        found[number] = Failure("error")
    for number in (number for number in expected if found.get(number) is None):
        one = query.sql.replace("FROM t)", f"FROM (SELECT * FROM t WHERE i = {number}))")
        answer = judge.ours(replace(query, sql=one))
        found[number] = answer if isinstance(answer, Failure) else answer[0][1]
    return found


def _tried(judge: Judge, query: Query) -> dict[int, Any]:
    """The values with NULL for errors; empty if the query has another form."""
    parts = _PROJECTION.match(query.sql)
    if parts is None:
        return {}
    sql = f"SELECT c{parts[1]} AS o0, TRY({parts[3]}) AS o1 FROM ({parts[4]})"
    answer = judge.ours(replace(query, sql=sql))
    return {} if isinstance(answer, Failure) else {row[0]: row[1] for row in answer}


def _count(result: Result, kind: Type, wanted: Any, got: Any, what: str) -> None:
    verdict = ""
    if isinstance(wanted, Failure) != isinstance(got, Failure):
        verdict = ACCEPTED if isinstance(wanted, Failure) else LOUD
    elif not isinstance(wanted, Failure):
        is_null_alike = (wanted is None) == (got is None)
        verdict = "" if is_null_alike and same_rows([kind], [[wanted]], [[got]], True) else WRONG
    if verdict:
        result.differences.append(Difference(verdict, f"{what}: Google {wanted!r}, DuckDB {got!r}"[:400]))
    else:
        result.values += 1


def _groups(kinds: Sequence[Type], dice: random.Random, groups: int, is_same: bool, is_wild: bool) -> list[list[Any]]:
    """Rows (i, g, a0, ...) in groups of up to six; `is_same` gives all rows of a group the same values.

    Only `is_wild` has numbers so large that sums overflow: an error of one group hides all others.
    """
    draw = edges.value if is_wild else _tame
    rows: list[list[Any]] = []
    for group in range(groups):
        values = [draw(kind, dice) for kind in kinds]
        for _ in range(dice.randrange(1, 7)):
            if not is_same:
                values = [draw(kind, dice) for kind in kinds]
            rows.append([len(rows), group, *values])
    return rows


def _tame(kind: Type, dice: random.Random) -> Any:
    """A value without extremes: otherwise most sums would overflow."""
    if dice.random() < 0.15:
        return None
    if kind.kind == "INT64":
        return dice.randrange(-9, 10)
    if kind.kind == "DOUBLE":
        return dice.choice([dice.randrange(-40, 40) / 4, dice.choice(_NOT_FINITE)])
    if kind.kind in ("NUMERIC", "BIGNUMERIC"):
        number = types.unscaled(dice.randrange(-(10**12), 10**12), 9)
        return number if kind.kind == "NUMERIC" else types.bignumeric(number)
    return edges.value(kind, dice, 0)


def _forms(line: Line, text: str) -> list[str]:
    """A call with the modifiers that a line has places for."""
    order = "{O}" in line.template
    plain = text[:-1] + (" ORDER BY i)" if order else ")")
    forms = [plain]
    if "{D}" in line.template and line.name != "$count_star":
        distinct = text.replace("(", "(DISTINCT ", 1)[:-1]
        forms.append(distinct + (" ORDER BY a0)" if order else ")"))
    if line.name == "array_agg":
        forms.append(f"{text[:-1]} IGNORE NULLS ORDER BY a0 DESC, i)")
    return forms


_SPECIFICATIONS = (
    "PARTITION BY g ORDER BY i",
    "PARTITION BY g ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "PARTITION BY g ORDER BY i ROWS BETWEEN 2 FOLLOWING AND 3 FOLLOWING",
    "PARTITION BY g ORDER BY i DESC ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "PARTITION BY g ORDER BY i RANGE BETWEEN 1 PRECEDING AND CURRENT ROW",
    "PARTITION BY g",
)
_NO_FRAME = {"lead", "lag", "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"}
