"""Google's reference evaluator: exact, and slow (24,000 rows a second for a scalar, seconds for 100,000 rows)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.bigquery import types
from services.bigquery.errors import NotBuilt
from services.bigquery.language import package, tree, values
from services.bigquery.language.analyzer import LANGUAGE, OPTIONS, Scope, registered, syntax_of
from services.bigquery.language.catalog import Table, catalog_message
from services.bigquery.language.functions.untyped import typed
from services.bigquery.language.messages import as_error
from services.bigquery.language.module import Module, ServiceError
from services.bigquery.language.names import Statement, with_named_parameters
from services.bigquery.language.pool import Pool
from services.bigquery.types import Type

Rows = Sequence[Sequence[Any]]
"""Plain values, row by row, in the order of the columns."""
MOST_PREPARED = 64
"""How many scalars an instance keeps prepared; preparing one takes 20 ms."""


@dataclass(frozen=True)
class Scalar:
    """A GoogleSQL expression over columns a0, a1, ... that the module evaluates, a vector a call.

    Attributes:
        sql: The expression.
        arguments: The types of a0, a1, ...
        result: Its type.
    """

    sql: str
    arguments: tuple[Type, ...]
    result: Type

    def vector(self, evaluator: Evaluator, columns: Rows) -> list[Any]:
        """Its values for each row of a vector; as `Evaluator.scalar`.

        Rows that are the same are evaluated once: months, names and the like are few.
        """
        if any(types.contains(kind, "ARRAY", "STRUCT", "RANGE", "INTERVAL", "DOUBLE") for kind in self.arguments):
            return evaluator.scalar(self, columns)  # no keys of a dictionary, or -0.0, which equals 0.0
        places: dict[Any, int] = {}
        rows = [places.setdefault(row, len(places)) for row in zip(*columns, strict=True)]
        if not self.arguments or len(places) == len(rows):
            return evaluator.scalar(self, columns)
        found = evaluator.scalar(self, list(zip(*places, strict=True)))
        return [found[place] for place in rows]

    @property
    def name(self) -> str:
        """The function's name in DuckDB: the same for the same expression, in all statements."""
        whole = "\n".join([self.sql, *(kind.sql for kind in self.arguments), self.result.sql])
        return f"module_{hashlib.sha256(whole.encode()).hexdigest()[:20]}"


_WITHOUT_TABLES = catalog_message((), (), LANGUAGE, is_evaluated=True)


class Evaluator:
    """Evaluates scalars and whole queries, for any number of threads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def scalar(self, scalar: Scalar, columns: Rows) -> list[Any]:
        """The values of an expression for each row of a vector.

        Args:
            scalar: The expression.
            columns: For each argument the plain values of all rows; without arguments, one column that counts rows.

        Raises:
            BigQueryError: The error of one of the values, with Google's sentence.
        """
        vector = package.service.EvaluateQueryRequest()
        rows = vector.params.add(name="p").value.array_value
        rows.SetInParent()
        for row in zip(*columns, strict=True):
            fields = rows.element.add().struct_value
            fields.SetInParent()
            for kind, value in zip(scalar.arguments, row, strict=False):
                types.to_module(kind, value, fields.field.add())
            if not scalar.arguments:
                fields.field.add().int64_value = 0

        def work(module: Module) -> Any:
            vector.prepared_query_id = _prepared(module, scalar)
            return module.call("EvaluateQuery", vector, package.service.EvaluateQueryResponse)

        return _in_order(self._call(work), scalar.result, len(rows.element))

    def query(
        self,
        sql: str,
        scope: Scope,
        contents: Mapping[str, Rows],
        columns: Sequence[Type],
        parameters: Mapping[str, Any] | None = None,
        seconds: float | None = None,
    ) -> list[list[Any]]:
        """The rows of a whole query, in order.

        Args:
            sql: A query; `scope` as for `Analyzer.analyze`.
            scope: Its tables and the rest.
            contents: The rows of each table, by its full name.
            columns: The types of the result.
            parameters: Plain values of the parameters; positional ones are named by their number.
            seconds: How long it may take; as the pool says if it is not given.

        Raises:
            BigQueryError: Google's sentence; it took too long; or the module lacks something.
        """
        scope, parameters = dataclasses.replace(scope, is_evaluated=True), parameters or {}
        if scope.positional:
            sql, scope, parameters = _with_names(sql, scope, parameters)
        statement = typed(sql, scope.functions, scope.paths, lambda text: syntax_of(self._pool, text))
        options = scope.options()
        request = package.service.EvaluateQueryRequest(sql=statement.sql, options=options)
        if scope.tables:
            request.sql = self._with_short_names(statement, scope)
            request.simple_catalog.CopyFrom(dataclasses.replace(scope, tables=_at_the_root(scope.tables)).catalog())
        for table in scope.tables:
            kinds = [column.type for column in table.columns]
            _fill(request.table_content[table.path[-1]], kinds, contents[table.name])
        for name, value in parameters.items():
            types.to_module(scope.named[name], value, request.params.add(name=name).value)
        catalog = None if scope.tables else scope.catalog()

        def work(module: Module) -> Any:
            if catalog is not None:
                request.registered_catalog_id = registered(module, catalog)
            return module.call("EvaluateQuery", request, package.service.EvaluateQueryResponse)

        try:
            answer = self._pool.run(work, seconds, is_long=True)
        except ServiceError as error:
            raise as_error(error) from error
        return _plain(answer.content.table_data.row, columns)

    def _with_short_names(self, statement: Statement, scope: Scope) -> str:
        """The statement with each path replaced by its last part: the module has contents only for such names."""
        if all(len(table.path) == 1 for table in scope.tables):
            return statement.sql
        options, catalog = scope.options(), scope.catalog()
        options.parse_location_record_type = package.PARSE_LOCATION_RECORD_CODE_SEARCH
        request = package.service.AnalyzeRequest(options=options, sql_statement=statement.sql)

        def work(module: Module) -> Any:
            request.registered_catalog_id = registered(module, catalog)
            return module.call("Analyze", request, package.service.AnalyzeResponse)

        try:
            return _shortened(statement.sql, self._pool.run(work).resolved_statement, scope)
        except ServiceError as error:
            raise as_error(error, statement) from error

    def _call(self, work: Any) -> Any:
        try:
            return self._pool.run(work, is_long=True)
        except ServiceError as error:
            raise as_error(error) from error


def _plain(rows: Any, columns: Sequence[Type]) -> list[list[Any]]:
    """The module's rows as plain values."""
    pairs = (zip(columns, row.cell, strict=True) for row in rows)
    return [[types.from_module(kind, cell) for kind, cell in row] for row in pairs]


def _with_names(sql: str, scope: Scope, parameters: Mapping[str, Any]) -> tuple[str, Scope, Mapping[str, Any]]:
    """A statement with named parameters instead of positional ones: the evaluator takes no others."""
    named = {f"p{number}": kind for number, kind in enumerate(scope.positional, 1)}
    scope = dataclasses.replace(scope, named=named, positional=())
    return with_named_parameters(sql), scope, {f"p{name}": value for name, value in parameters.items()}


def _at_the_root(tables: Sequence[Table]) -> list[Table]:
    return [Table(table.path[-1:], table.path[-1], table.columns) for table in tables]


def _shortened(sql: str, statement: Any, scope: Scope) -> str:
    """Puts the last parts of the tables' paths in the places that the analyzer recorded, which count bytes."""
    last = {table.name: table.path[-1] for table in scope.tables}
    names = [name.lower() for name in last.values()]
    places = set()
    for message in tree.walk(statement):
        if tree.kind(message) == "TableScan":
            place = tree.get(message, "parse_location_range")
            places.add((place.start, place.end, last[message.table.name]))
        if tree.kind(message) == "WithEntry":
            names.append(message.with_query_name.lower())
    if len(set(names)) < len(names):
        raise NotBuilt("a statement with several relations of one name")
    data = sql.encode()
    for start, end, name in sorted(places, reverse=True):
        data = data[:start] + f"`{name}`".encode() + data[end:]
    return data.decode()


def _fill(content: Any, kinds: Sequence[Type], rows: Rows) -> None:
    content.table_data.SetInParent()
    for row in rows:
        cells = content.table_data.row.add()
        for kind, value in zip(kinds, row, strict=True):
            types.to_module(kind, value, cells.cell.add())


def _in_order(answer: Any, result: Type, length: int) -> list[Any]:
    """The module gives the rows of an array in any order, each with its offset."""
    found: list[Any] = [None] * length
    for row in answer.content.table_data.row:
        found[row.cell[0].int64_value] = types.from_module(result, row.cell[1])
    return found


def _prepared(module: Module, scalar: Scalar) -> int:
    """The number under which an instance has prepared a scalar."""
    known: dict[Scalar, int] = module.prepared.setdefault("scalars", {})
    if scalar not in known:
        if len(known) >= MOST_PREPARED:
            oldest = known.pop(next(iter(known)))
            request = package.service.UnprepareQueryRequest(prepared_query_id=oldest)
            module.call("UnprepareQuery", request, package.Empty)
        known[scalar] = _prepare(module, scalar)
    return known[scalar]


def _prepare(module: Module, scalar: Scalar) -> int:
    arguments = scalar.arguments or (Type("INT64"),)
    row = Type("STRUCT", fields=tuple((f"a{number}", kind) for number, kind in enumerate(arguments)))
    options = package.options.AnalyzerOptionsProto()
    options.CopyFrom(OPTIONS)
    options.query_parameters.add(name="p").type.CopyFrom(values.type_message(Type("ARRAY", row)))
    request = package.service.PrepareQueryRequest(
        sql=f"SELECT position, {scalar.sql} FROM UNNEST(@p) WITH OFFSET position", options=options
    )
    request.registered_catalog_id = registered(module, _WITHOUT_TABLES)
    answer = module.call("PrepareQuery", request, package.service.PrepareQueryResponse)
    return int(answer.prepared.prepared_query_id)
