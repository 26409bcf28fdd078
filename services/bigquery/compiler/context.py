"""What all parts of the compiler share while they compile one statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.bigquery.compiler.python_calls import PythonCall
from services.bigquery.errors import NotBuilt
from services.bigquery.language import tree
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.evaluator import Scalar
from services.bigquery.language.functions.javascript import Javascript
from services.bigquery.types import Type

Handler = Callable[["Context", Any], str]
Computed = Scalar | Javascript | PythonCall
"""What DuckDB has Google's module, V8 or Python compute, a vector a call."""


@dataclass(frozen=True)
class Relation:
    """Where a table's rows are.

    Attributes:
        sql: DuckDB's name of it, quoted, or a query in parentheses.
        columns: DuckDB's names of its columns, quoted, in the order in which the catalogue has them.
        defaults: SQL of the columns' default values, for those that have one.
    """

    sql: str
    columns: Sequence[str]
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Groups:
    """What the aggregate functions of one GROUP BY need of each row before its groups are made.

    Attributes:
        keys: The columns that are grouped by.
        values: SQL of values of the input's rows, by their names.
        windows: SQL of functions over all rows of a group, by their names; they see the values.
    """

    keys: Sequence[str]
    values: dict[str, str] = field(default_factory=dict)
    windows: dict[str, str] = field(default_factory=dict)

    def over(self, *more: str) -> str:
        """OVER (...): the rows of a group, or those of them that have the same further values."""
        keys = ", ".join([*self.keys, *more])
        return f"OVER ({f'PARTITION BY {keys}' if keys else ''})"

    def around(self, sql: str) -> str:
        """The input's rows with these columns."""
        for columns in (self.values, self.windows):
            if columns:
                sql = f"SELECT *{''.join(f', {value} AS {name}' for name, value in columns.items())} FROM ({sql})"
        return sql


@dataclass
class Context:
    """The compiler's state for one statement.

    Attributes:
        relations: By the tables' full names.
        parameters: The types and plain values of named parameters; positional ones are named by their number.
        now: The statement's time, in microseconds since 1970.
        scans: What compiles each kind of scan.
        expressions: What compiles each kind of expression.
        scope: The statement's, for its functions and variables.
        scalars: DuckDB's names of the functions that DuckDB has others compute; filled while compiling.
        columns: SQL of columns that are not called c<id>.
        groups: Of the GROUP BY whose aggregate functions are compiled; None with GROUPING SETS and elsewhere.
        recursive: Names of the recursive WITH entries around the present place.
        used: The lines of `signatures/*.sql` that the statement uses.
    """

    relations: Mapping[str, Relation]
    parameters: Mapping[str, tuple[Type, Any]]
    now: int
    scans: Mapping[str, Handler]
    expressions: Mapping[str, Handler]
    scope: Scope = field(default_factory=Scope)
    scalars: dict[Computed, str] = field(default_factory=dict)
    columns: dict[int, str] = field(default_factory=dict)
    groups: Groups | None = None
    recursive: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    _count: int = 0

    def fresh(self, prefix: str = "x") -> str:
        """A name that the statement does not have yet."""
        self._count += 1
        return f"{prefix}{self._count}"

    def scan(self, message: Any) -> str:
        """A query with the scan's columns as c<id>."""
        found = tree.node(message)
        handler = self.scans.get(tree.kind(found))
        if handler is None:
            raise NotBuilt(_words(tree.kind(found)))
        return handler(self, found)

    def expression(self, message: Any) -> str:
        """An expression."""
        found = tree.node(message)
        handler = self.expressions.get(tree.kind(found))
        if handler is None:
            raise NotBuilt(f"expression {tree.kind(found)}")
        return handler(self, found)

    def column(self, number: int) -> str:
        """A column by its number."""
        return self.columns.get(number) or f"c{number}"

    def relation(self, name: str) -> Relation:
        """A table by its full name."""
        if name not in self.relations:
            raise NotBuilt(f"table {name} here")
        return self.relations[name]

    def script(self, name: str) -> Javascript | None:
        """The JavaScript function that has this name in the tree; None for other functions."""
        for function in self.scope.functions:
            if function.javascript and f"{function.message.group}:{'.'.join(function.path)}" == name:
                return function.javascript
        return None

    def scalar(self, scalar: Computed) -> str:
        """DuckDB's name of the function that computes the scalar."""
        return self.scalars.setdefault(scalar, scalar.name)


def _words(scan: str) -> str:
    return {"SampleScan": "TABLESAMPLE", "MatchRecognizeScan": "MATCH_RECOGNIZE"}.get(scan, f"query part {scan}")


def columns_of(scan: Any) -> str:
    """The columns that a scan gives, as a SELECT list; a relation without columns still has rows."""
    return ", ".join(f"c{number}" for number in tree.column_ids(scan)) or "1 AS one"
