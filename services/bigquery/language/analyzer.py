"""Statements in, resolved trees out: Google's analyzer with BigQuery's settings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.bigquery.errors import NotBuilt, invalid_query
from services.bigquery.language import features, package, values
from services.bigquery.language.catalog import Table, catalog_message, parameters
from services.bigquery.language.functions import routines
from services.bigquery.language.functions.routines import Function, Resource
from services.bigquery.language.functions.untyped import typed
from services.bigquery.language.messages import as_error
from services.bigquery.language.module import Module, ServiceError
from services.bigquery.language.names import has_dotted_call, parts
from services.bigquery.language.pool import Pool
from services.bigquery.language.recent import Recent
from services.bigquery.types import Type

CATALOGS = 8
"""How many catalogues an instance keeps; registering one takes 20 ms: each builds the built-in functions anew."""


@dataclass(frozen=True)
class Scope:
    """All that a statement may refer to.

    Attributes:
        tables: Those that it names.
        functions: SQL, JavaScript and table functions that it may call.
        named: Types of its named parameters.
        positional: Types of its positional parameters.
        variables: Types and plain values of a script's variables.
        system: Likewise of system variables, by their names without @@.
        is_judge: Whether ISERROR and the like are known: only the comparison with the evaluator may use them.
        is_evaluated: Whether the module evaluates the statement itself.
    """

    tables: Sequence[Table] = ()
    functions: Sequence[Function] = ()
    named: Mapping[str, Type] = field(default_factory=dict)
    positional: Sequence[Type] = ()
    variables: Mapping[str, tuple[Type, Any]] = field(default_factory=dict)
    system: Mapping[str, tuple[Type, Any]] = field(default_factory=dict)
    is_judge: bool = False
    is_evaluated: bool = False

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """The paths of its tables and functions."""
        return [table.path for table in self.tables] + [function.path for function in self.functions]

    def catalog(self) -> Any:
        """The module's catalogue of it."""
        message = catalog_message(self.tables, self.functions, LANGUAGE, self.is_judge, self.is_evaluated)
        for name, (kind, value) in self.variables.items():
            constant = message.constant.add(name_path=[name])
            constant.type.CopyFrom(values.type_message(kind))
            constant.value.CopyFrom(values.value_message(kind, value))
        return message

    def options(self) -> Any:
        """The analyzer's options with the parameters."""
        options = package.options.AnalyzerOptionsProto()
        options.CopyFrom(OPTIONS)
        parameters(options, self.named, self.positional)
        for name, (kind, _) in self.system.items():
            options.system_variables.add(name_path=name.split(".")).type.CopyFrom(values.type_message(kind))
        return options


LANGUAGE = features.language_options()
OPTIONS = features.analyzer_options()


def registered(module: Module, catalog: Any) -> int:
    """The number under which an instance knows a catalogue; registers it if it is new."""
    known: OrderedDict[bytes, int] = module.prepared.setdefault("catalogs", OrderedDict())
    key = catalog.SerializeToString(deterministic=True)
    if key in known:
        known.move_to_end(key)
        return known[key]
    if len(known) >= CATALOGS:
        _, oldest = known.popitem(last=False)
        module.call("UnregisterCatalog", package.service.UnregisterRequest(registered_id=oldest), package.Empty)
    request = package.service.RegisterCatalogRequest(simple_catalog=catalog)
    known[key] = int(module.call("RegisterCatalog", request, package.service.RegisterResponse).registered_id)
    return known[key]


def _no_library(uri: str) -> str:
    raise NotBuilt(f"the JavaScript library {uri} here")


class Analyzer:
    """Google's analyzer, for any number of threads."""

    def __init__(self, pool: Pool, library_of: Callable[[str], str] = _no_library) -> None:
        """Makes one.

        Args:
            pool: The module's workers.
            library_of: Reads a library of JavaScript functions, by its address gs://BUCKET/OBJECT.
        """
        self._pool = pool
        self._library_of = library_of
        self._paths: Recent[list[tuple[str, ...]]] = Recent()
        self._statements: Recent[Any] = Recent()

    def table_paths(self, sql: str, is_script: bool = False) -> list[tuple[str, ...]]:
        """The paths of the tables that a statement names, in parts as it writes them; not those of its WITH clauses.

        Raises:
            BigQueryError: It cannot be parsed.
        """
        if (known := self._paths.get((sql, is_script))) is not None:
            return list(known)
        request = package.service.ExtractTableNamesFromStatementRequest(
            sql_statement=sql, options=LANGUAGE, allow_script=is_script
        )
        response = package.service.ExtractTableNamesFromStatementResponse
        try:
            found = self._pool.run(lambda module: module.call("ExtractTableNamesFromStatement", request, response))
        except ServiceError as error:
            raise as_error(error) from error
        paths = [tuple(name.table_name_segment) for name in found.table_name]
        self._paths.put((sql, is_script), paths, len(sql))
        return list(paths)

    def analyze(self, sql: str, scope: Scope) -> Any:
        """The resolved statement.

        Args:
            sql: One statement.
            scope: Its tables under the paths that `names.parts` makes of `table_paths`, and the rest.

        Raises:
            BigQueryError: Google's sentence, with the place in `sql`.
        """
        catalog = scope.catalog()
        request = package.service.AnalyzeRequest(options=scope.options(), sql_statement=sql)
        key = (catalog.SerializeToString(deterministic=True), request.SerializeToString(deterministic=True))
        if (known := self._statements.get(key)) is not None:
            return known
        statement = typed(sql, scope.functions, scope.paths, lambda text: syntax_of(self._pool, text))
        request.sql_statement = statement.sql

        def work(module: Module) -> Any:
            request.registered_catalog_id = registered(module, catalog)
            return module.call("Analyze", request, package.service.AnalyzeResponse)

        try:
            found = self._pool.run(work).resolved_statement
        except ServiceError as error:
            raise as_error(error, statement) from error
        self._statements.put(key, found, sum(map(len, key)) + found.ByteSize())
        return found

    def routine_paths(self, sql: str) -> list[tuple[str, ...]]:
        """The dotted names of routines that a statement or script calls, in parts as it writes them.

        Raises:
            BigQueryError: It cannot be parsed.
        """
        return routines.called(syntax_of(self._pool, sql)) if has_dotted_call(sql) else []

    def functions(
        self,
        paths: Sequence[tuple[str, ...]],
        resource_of: Callable[[tuple[str, ...]], Resource | None],
        tables_of: Callable[[Sequence[tuple[str, ...]]], Sequence[Table]],
    ) -> tuple[list[Function], list[Table]]:
        """The functions behind names, with those that they call themselves, and the tables that they read.

        Args:
            paths: As `routine_paths` gives them.
            resource_of: Looks a routine up; None if there is none of this name, which the analyzer then says.
            tables_of: Looks tables up, by paths as `table_paths` gives them.

        Raises:
            BigQueryError: A function cannot be analyzed, or calls itself.
        """
        found: dict[tuple[str, ...], Function] = {}
        tables: dict[tuple[str, ...], Table] = {}
        ahead: list[tuple[str, ...]] = []

        def add(path: tuple[str, ...]) -> None:
            single = parts(path)
            if single in found or (resource := resource_of(path)) is None or resource["routineType"] == "PROCEDURE":
                return
            if single in ahead:
                raise invalid_query(f"Function {'.'.join(single)} calls itself")
            ahead.append(single)
            text = routines.text_of(resource)
            for inner in self.routine_paths(text):
                add(inner)
            tables.update({table.path: table for table in tables_of(self.table_paths(text))})
            found[single] = self.function(text, single, Scope(list(tables.values()), list(found.values())))
            ahead.remove(single)

        for path in paths:
            add(path)
        return list(found.values()), list(tables.values())

    def function(self, text: str, path: tuple[str, ...], scope: Scope) -> Function:
        """A function of a CREATE statement.

        Args:
            text: The statement, such as `routines.text_of` writes it.
            path: The parts under which statements name it.
            scope: What its body refers to.

        Raises:
            BigQueryError: It cannot be analyzed.
        """
        return routines.function_of(self.analyze(text, scope), path, self._library_of)


def syntax_of(pool: Pool, sql: str) -> Any:
    """The syntax tree of a script, with the byte range of each part.

    Raises:
        BigQueryError: It cannot be parsed.
    """
    request = package.service.ParseRequest(sql_statement=sql, options=LANGUAGE, allow_script=True)
    try:
        return pool.run(lambda module: module.call("Parse", request, package.service.ParseResponse)).parsed_script
    except ServiceError as error:
        raise as_error(error) from error
