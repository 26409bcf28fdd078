"""JavaScript functions, in V8 by mini-racer: no file, no network, bounded in time and memory."""

from __future__ import annotations

import base64
import datetime
import decimal
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.bigquery import types
from services.bigquery.errors import BigQueryError, NotBuilt, invalid_query
from services.bigquery.language.functions.v8 import SECONDS, FailedError, processes
from services.bigquery.types import Type

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_AROUND = """
function orionbox_in(kind, value) {
  if (value === null) return null;
  if (kind.array) return value.map(item => orionbox_in(kind.array, item));
  if (kind.struct) {
    const result = {};
    kind.struct.forEach(([name, field], i) => { result[name] = orionbox_in(field, value[i]); });
    return result;
  }
  if (kind.name === 'TIMESTAMP') {
    const result = new Date(Math.floor(value / 1000));
    result.microsecond = value % 1000;
    return result;
  }
  if (kind.name === 'INT64') return BigInt(value);
  if (kind.name === 'DATE') return new Date(value * 86400000);
  if (kind.name === 'JSON') return JSON.parse(value);
  return typeof value === 'object' ? Number(value.number) : value;
}
function orionbox_out(kind, value) {
  if (value === null || value === undefined) return null;
  if (kind.array) return Array.from(value, item => orionbox_out(kind.array, item));
  if (kind.struct) return kind.struct.map(([name, field]) => orionbox_out(field, value[name]));
  if (kind.name === 'JSON') return JSON.stringify(value);
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
function orionbox_all(kinds, result, rows) {
  const values = rows.map(row => orionbox_function(...row.map((value, i) => orionbox_in(kinds[i], value))));
  const text = settled => JSON.stringify(settled.map(value => orionbox_out(result, value)));
  return values.some(value => value instanceof Promise) ? Promise.all(values).then(text) : text(values);
}
"""
"""Values pass as JSON; https://cloud.google.com/bigquery/docs/user-defined-functions#javascript-udf-type-encoding."""


@dataclass(frozen=True)
class Javascript:
    """A JavaScript function.

    Attributes:
        title: Its name in messages.
        code: Its body.
        names: Of its arguments.
        arguments: Their types.
        result: The type of its value.
        libraries: The texts of its libraries.
        aggregated: Of an aggregate function, which of its arguments are aggregated; see `aggregate_function`.
    """

    title: str
    code: str
    names: tuple[str, ...]
    arguments: tuple[Type, ...]
    result: Type
    libraries: tuple[str, ...] = ()
    aggregated: tuple[bool, ...] = ()

    @property
    def name(self) -> str:
        """The function's name in DuckDB: the same for the same function, in all statements."""
        kinds = [kind.sql for kind in (*self.arguments, self.result)]
        # The names of fields are part of what the code sees
        whole = repr((self.title, self.code, self.names, self.arguments, self.result, self.libraries))
        return f"javascript_{hashlib.sha256(repr((whole, kinds)).encode()).hexdigest()[:20]}"

    def vector(self, evaluator: Any, columns: Sequence[Sequence[Any]]) -> list[Any]:
        """The function's values for each row.

        Args:
            evaluator: Not used: V8 evaluates it.
            columns: For each argument the plain values of all rows; without arguments, one column that counts rows.

        Raises:
            BigQueryError: It threw an error, took too long, needed too much memory, or gave a value of another type.
        """
        rows = [
            [_to_json(kind, value) for kind, value in zip(self.arguments, row, strict=False)]
            for row in zip(*columns, strict=True)
        ]
        kinds = json.dumps([_shape(kind) for kind in self.arguments])
        call = f"orionbox_all({kinds}, {json.dumps(_shape(self.result))}, {json.dumps(rows)})"
        try:
            text = processes.evaluate(self._texts(), call)
        except FailedError as error:
            raise self._refusal(error) from error
        return [_from_json(self.result, value) for value in json.loads(text)]

    def _texts(self) -> list[str]:
        head = f"function orionbox_function({', '.join(self.names)})"
        return [_AROUND, *self.libraries, f"{head} {{\n{self.code}\n}}"]

    def _refusal(self, error: FailedError) -> BigQueryError:
        if error.kind == "timeout":
            return invalid_query(f"UDF timed out: {self.title} took more than {SECONDS:g} seconds")
        if error.kind == "memory":
            return invalid_query(f"UDF out of memory: {self.title}")
        place = "in" if error.kind == "parse" else "at"
        return invalid_query(f"{_first_line(error)} {place} {self._signature()}")

    def _signature(self) -> str:
        rows = [kind for _, kind in self.arguments[0].part.fields] if self.aggregated else []
        kinds = [*rows, *self.arguments[bool(self.aggregated) :]]
        return f"{self.title}({', '.join(kind.sql for kind in kinds)})"


def _first_line(error: Exception) -> str:
    """Of `undefined:1: Error: sentence`, with the stack after it, what the function threw."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = next((line for line in lines if "Error" in line or "Uncaught" in line), lines[0] if lines else "Error")
    return line.split(": ", 1)[-1] if line.startswith("<") else line


def _shape(kind: Type) -> dict[str, Any]:
    """A type as the code around a function reads it."""
    if kind.kind == "ARRAY":
        return {"array": _shape(kind.part)}
    if kind.kind == "STRUCT":
        return {"struct": [[name, _shape(field)] for name, field in kind.fields]}
    return {"name": kind.kind}


def aggregate_function(function: Javascript, aggregated: tuple[bool, ...]) -> Javascript:
    """A function of the rows of a group, each a struct of the aggregated arguments, and of the other arguments.

    https://cloud.google.com/bigquery/docs/user-defined-aggregates#create-javascript-udaf

    Args:
        function: Its code has the functions initialState, aggregate, merge and finalize; rows are aggregated in one go.
        aggregated: For each argument, whether it is aggregated.

    Raises:
        NotBuilt: The code imports something, or an argument is BYTES.
    """
    code = _EXPORT.sub("", function.code)
    if _MODULE.search(code):
        raise NotBuilt("import, or export of a list, in a JavaScript aggregate function")
    parts = list(zip(function.names, function.arguments, aggregated, strict=True))
    if any(types.contains(kind, "BYTES") for kind in function.arguments):
        raise NotBuilt("BYTES in a JavaScript aggregate function")
    row = Type("STRUCT", fields=tuple((f"a{n}", kind) for n, kind in enumerate(k for _, k, inside in parts if inside)))
    others = [(name, kind) for name, kind, inside in parts if not inside]
    more = "".join(f", {name}" for name, _ in others)
    values = "".join(f", row.{name}" for name, _ in row.fields)
    body = (
        f"const state = initialState({more.removeprefix(', ')});\n"
        f"for (const row of orionbox_rows) aggregate(state{values}{more});\n"
        f"return finalize(state{more});"
    )
    return Javascript(
        function.title,
        body,
        ("orionbox_rows", *(name for name, _ in others)),
        (Type("ARRAY", row), *(kind for _, kind in others)),
        function.result,
        (*function.libraries, code),
        aggregated,
    )


_EXPORT = re.compile(r"""(?<![\w$.'"`])export\s+(?=(async\s+)?(function|class|const|let|var)\b)""")
_MODULE = re.compile(r"^[ \t]*(export|import)\b", re.MULTILINE)


def check(function: Javascript) -> Javascript:
    """Refuses types that JavaScript functions do not have.

    Raises:
        BigQueryError: INT64 as an argument, in Google's rule.
        NotBuilt: Another type.
    """
    for kind in () if function.aggregated else function.arguments:
        if types.contains(kind, "INT64"):
            raise invalid_query(f"Unsupported type INT64 of an argument of the JavaScript function {function.title}")
    for kind in (*function.arguments, function.result):
        if types.contains(kind, "TIME", "DATETIME", "INTERVAL", "RANGE", "GEOGRAPHY"):
            raise NotBuilt(f"{kind} in a JavaScript function")
    return function


def _to_json(kind: Type, value: Any) -> Any:
    if value is None:
        return None
    if kind.kind == "ARRAY":
        return [_to_json(kind.part, item) for item in value]
    if kind.kind == "STRUCT":
        return [_to_json(field, value[f"f{number}"]) for number, (_, field) in enumerate(kind.fields)]
    if kind.kind == "INT64":
        return str(value)
    if kind.kind == "BYTES":
        return base64.b64encode(value).decode()
    if kind.kind == "DOUBLE":
        return value if abs(value) < float("inf") else {"number": str(value).replace("inf", "Infinity")}
    if kind.kind in ("NUMERIC", "BIGNUMERIC"):
        value = types.decimal_of(value) if kind.kind == "BIGNUMERIC" else value
        is_exact = value == value.to_integral_value() and abs(value) <= 2**53
        return int(value) if is_exact else f"{value.normalize():f}"
    return value


def _from_json(kind: Type, value: Any) -> Any:
    if value is None:
        return None
    if kind.kind == "ARRAY":
        return [_from_json(kind.part, item) for item in value]
    if kind.kind == "STRUCT":
        pairs = zip(kind.fields, value, strict=True)
        return {f"f{number}": _from_json(field, item) for number, ((_, field), item) in enumerate(pairs)}
    try:
        return _READERS[kind.kind](value)
    except (ValueError, ArithmeticError) as error:
        raise invalid_query(f'Failed to coerce output value "{value}" to type {kind.sql}') from error


def _integer(text: str) -> int:
    value = int(decimal.Decimal(text))
    if value != decimal.Decimal(text) or not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _timestamp(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // datetime.timedelta(microseconds=1)


_EXACT = decimal.Context(prec=100, rounding=decimal.ROUND_HALF_UP)


def _numeric(text: str) -> decimal.Decimal:
    value = decimal.Decimal(text).quantize(decimal.Decimal("1e-9"), context=_EXACT)
    if not value.is_finite() or abs(value) >= decimal.Decimal(10) ** 29:
        raise ValueError(text)
    return value


def _bignumeric(text: str) -> bytes:
    value = decimal.Decimal(text).quantize(decimal.Decimal("1e-38"), context=_EXACT)
    try:
        return types.bignumeric(value)
    except OverflowError as error:
        raise ValueError(text) from error


_READERS: dict[str, Callable[[str], Any]] = {
    "INT64": _integer,
    "DOUBLE": float,
    "BOOL": _boolean,
    "STRING": str,
    "JSON": str,
    "BYTES": lambda text: base64.b64decode(text, validate=True),
    "NUMERIC": _numeric,
    "BIGNUMERIC": _bignumeric,
    "DATE": lambda text: (datetime.date.fromisoformat(text[:10]) - _EPOCH.date()).days,
    "TIMESTAMP": _timestamp,
}
