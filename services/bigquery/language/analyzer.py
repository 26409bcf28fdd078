"""Statements in, resolved trees out: Google's analyzer with BigQuery's settings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.bigquery.language import features, package
from services.bigquery.language.catalog import Table, catalog_message, parameters
from services.bigquery.language.messages import as_error
from services.bigquery.language.module import Module, ServiceError
from services.bigquery.language.names import split_paths
from services.bigquery.language.pool import Pool
from services.bigquery.types import Type

CATALOGS = 8
"""How many catalogues an instance keeps; registering one takes 20 ms: each builds the built-in functions anew."""


@dataclass(frozen=True)
class Scope:
    """All that a statement may refer to.

    Attributes:
        tables: Those that it names.
        functions: Messages of SQL and JavaScript functions.
        named: Types of its named parameters.
        positional: Types of its positional parameters.
        is_judge: Whether ISERROR and the like are known: only the comparison with the evaluator may use them.
    """

    tables: Sequence[Table] = ()
    functions: Sequence[Any] = ()
    named: Mapping[str, Type] = field(default_factory=dict)
    positional: Sequence[Type] = ()
    is_judge: bool = False

    def catalog(self) -> Any:
        """The module's catalogue of it."""
        return catalog_message(self.tables, self.functions, LANGUAGE, self.is_judge)

    def options(self) -> Any:
        """The analyzer's options with the parameters."""
        options = package.options.AnalyzerOptionsProto()
        options.CopyFrom(OPTIONS)
        parameters(options, self.named, self.positional)
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


class Analyzer:
    """Google's analyzer, for any number of threads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def table_paths(self, sql: str, is_script: bool = False) -> list[tuple[str, ...]]:
        """The paths of the tables that a statement names, in parts as it writes them; not those of its WITH clauses.

        Raises:
            BigQueryError: It cannot be parsed.
        """
        request = package.service.ExtractTableNamesFromStatementRequest(
            sql_statement=sql, options=LANGUAGE, allow_script=is_script
        )
        response = package.service.ExtractTableNamesFromStatementResponse
        try:
            found = self._pool.run(lambda module: module.call("ExtractTableNamesFromStatement", request, response))
        except ServiceError as error:
            raise as_error(error) from error
        return [tuple(name.table_name_segment) for name in found.table_name]

    def analyze(self, sql: str, scope: Scope) -> Any:
        """The resolved statement.

        Args:
            sql: One statement.
            scope: Its tables under the paths that `names.parts` makes of `table_paths`, and the rest.

        Raises:
            BigQueryError: Google's sentence, with the place in `sql`.
        """
        statement = split_paths(sql, (table.path for table in scope.tables))
        catalog, request = scope.catalog(), package.service.AnalyzeRequest(options=scope.options())
        request.sql_statement = statement.sql

        def work(module: Module) -> Any:
            request.registered_catalog_id = registered(module, catalog)
            return module.call("Analyze", request, package.service.AnalyzeResponse)

        try:
            return self._pool.run(work).resolved_statement
        except ServiceError as error:
            raise as_error(error, statement) from error


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
