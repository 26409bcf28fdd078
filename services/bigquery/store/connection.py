"""A DuckDB connection as jobs see it: begun when first used, stopped at its limit, with errors that say what failed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from services.bigquery.errors import BigQueryError

_DUCKDB = {
    "Binder Error": duckdb.BinderException,
    "Constraint Error": duckdb.ConstraintException,
    "Conversion Error": duckdb.ConversionException,
    "INTERRUPT Error": duckdb.InterruptException,
    "Invalid Input Error": duckdb.InvalidInputException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "Out of Range Error": duckdb.OutOfRangeException,
}
"""What DuckDB's errors begin with. Arrow passes on the text alone."""
_CHECKED = re.compile(r"CHECK constraint failed on table \S+ .*\(Error: (.*)\)", re.DOTALL)
_NOT_NULL = re.compile(r"NOT NULL constraint failed: t(\d+)\.(\w+)")


class Rows:
    """A result that is read batch by batch; an error on the way is DuckDB's, as in every other call."""

    def __init__(self, reader: Any, explain: Callable[[duckdb.Error], Exception]) -> None:
        self._reader = reader
        self._explain = explain
        self.schema: pa.Schema = reader.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The batches."""
        while True:
            with self._explained():
                try:
                    batch = self._reader.read_next_batch()
                except StopIteration:
                    return
            yield batch

    def read_all(self) -> pa.Table:
        """All of it."""
        return pa.Table.from_batches(list(self), self.schema)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise self._explain(error) from error
        except MemoryError as error:
            raise self._explain(duckdb.OutOfMemoryException(str(error))) from error
        except (OSError, pa.ArrowException) as error:
            text = str(error)
            kind = next((kind for start, kind in _DUCKDB.items() if text.startswith(start)), duckdb.Error)
            raise self._explain(kind(text)) from error


class Result:
    """What a statement gave."""

    def __init__(self, cursor: Any, explain: Callable[[duckdb.Error], Exception]) -> None:
        self._cursor = cursor
        self._explain = explain

    @property
    def description(self) -> Any:
        """Names and types of the columns, as DuckDB has them."""
        return self._cursor.description

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return list(self._run(self._cursor.fetchall))

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
        row: tuple[Any, ...] | None = self._run(self._cursor.fetchone)
        return row

    def to_arrow_table(self) -> pa.Table:
        """All rows."""
        return self.to_arrow_reader().read_all()

    def to_arrow_reader(self, batch_size: int = 100_000) -> Rows:
        """All rows, read batch by batch."""
        return Rows(self._run(lambda: self._cursor.to_arrow_reader(batch_size)), self._explain)

    def _run(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except duckdb.Error as error:
            raise self._explain(error) from error


class Connection:
    """One transaction's connection.

    Args:
        begin: Returns DuckDB's cursor for a statement; begins the transaction before the first.
        explain: The error to raise for one of DuckDB's.
        create_function: Registers a function for all connections.
    """

    def __init__(
        self,
        begin: Callable[[str], Any],
        explain: Callable[[duckdb.Error], Exception],
        create_function: Callable[..., None],
    ) -> None:
        self._begin = begin
        self._explain = explain
        self._create_function = create_function
        self.registered: dict[str, Any] = {}

    def execute(self, sql: str, parameters: Any = None) -> Result:
        """Runs a statement of DuckDB's."""
        cursor = self._begin(sql)
        try:
            cursor.execute(sql, parameters) if parameters is not None else cursor.execute(sql)
        except duckdb.Error as error:
            raise self._explain(error) from error
        return Result(cursor, self._explain)

    def register(self, name: str, table: Any) -> None:
        """Makes Arrow data a relation for this transaction; a reader's rows can be read once."""
        self._begin("").register(name, table)
        self.registered[name] = table

    def unregister(self, name: str) -> None:
        """Forgets it."""
        self.registered.pop(name, None)
        self._begin("").unregister(name)

    def create_function(self, name: str, function: Any, *arguments: Any, **options: Any) -> None:
        """Registers a function for all connections, unless there is one of this name."""
        self._create_function(name, function, *arguments, **options)

    def forget(self, cursor: Any) -> None:
        """Takes away what this transaction registered."""
        for name in self.registered:
            with contextlib.suppress(duckdb.Error):
                cursor.unregister(name)


def broken_rule(error: duckdb.Error, fields: Callable[[int], Mapping[str, str]]) -> BigQueryError | None:
    """BigQuery's error for a row that a column refuses; None for every other error of DuckDB's.

    Args:
        error: DuckDB's.
        fields: The columns' names by DuckDB's names of them, of the table t<number>.
    """
    text = str(error)
    if not isinstance(error, duckdb.ConstraintException):
        return None
    if checked := _CHECKED.search(text):
        return BigQueryError("invalidQuery", checked[1], "query")
    if null := _NOT_NULL.search(text):
        name = fields(int(null[1])).get(null[2], null[2])
        return BigQueryError("invalidQuery", f"Required field {name} cannot be null", "query")
    return None
