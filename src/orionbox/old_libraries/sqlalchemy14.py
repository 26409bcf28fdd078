"""Makes SQLAlchemy 2 run code that was written for 1.4, as the course's code and its students' was.

SQLAlchemy 1.4 committed each statement that writes, unless the code had begun a transaction itself. Without that, code
for 1.4 would end without an error, and without its rows. A statement passed as plain text can only be of 1.4, so it is
committed at once. Any other statement is committed when its connection is closed, unless the code has called `commit`
or `rollback` by then; one line on standard error says so.
(https://docs.sqlalchemy.org/en/14/core/connections.html#library-level-e-g-emulated-autocommit)
"""

from __future__ import annotations

import atexit
import re
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from types import ModuleType
from typing import Any
from weakref import WeakSet

WRITES = re.compile(
    r"\s*(?:UPDATE|INSERT|CREATE|DELETE|DROP|ALTER|GRANT|REVOKE|TRUNCATE"
    r"|IMPORT FOREIGN SCHEMA|REFRESH MATERIALIZED VIEW)",
    re.IGNORECASE,
)
"""What 1.4 committed on PostgreSQL: sqlalchemy/dialects/postgresql/base.py, AUTOCOMMIT_REGEXP."""
BEGUN, UNCOMMITTED = "_orionbox_begun", "_orionbox_uncommitted"
"""The transaction that a connection has begun by itself, and the one in which it has written something."""
OPEN: WeakSet[Any] = WeakSet()
"""The connections with something uncommitted."""


def parameters_of(multiparams: Sequence[Any], params: dict[str, Any]) -> Any:
    """Returns the parameters that 1.4 took in several forms in the one form of version 2; None if there are none."""
    if params:
        return params
    if not multiparams:
        return None
    if len(multiparams) > 1:
        return list(multiparams) if isinstance(multiparams[0], (dict, tuple, list)) else tuple(multiparams)
    only = multiparams[0]
    is_one_row = isinstance(only, list) and only and not isinstance(only[0], (dict, tuple, list))
    return tuple(only) if is_one_row else only


def has_begun_itself(connection: Any) -> bool:
    """Returns whether the connection's transaction was begun by its first statement, and not by the code."""
    transaction = connection.get_transaction()
    return transaction is not None and getattr(connection, BEGUN, None) is transaction


def has_uncommitted(connection: Any) -> bool:
    """Returns whether a close would lose what the connection has written."""
    return has_begun_itself(connection) and getattr(connection, UNCOMMITTED, None) is connection.get_transaction()


def commit_at_the_end(connection: Any, is_said: bool = True) -> None:
    """Commits what code for 1.4 expects to be committed."""
    if connection.closed or not has_uncommitted(connection):
        return
    if is_said:
        _say_once("SQLAlchemy 2 does not commit by itself; committed, as 1.4 did. Write connection.commit()")
    connection.commit()


def commit_open() -> None:
    """Commits at the end of the program what connections have written that are still open."""
    for connection in list(OPEN):
        try:
            commit_at_the_end(connection)
        except Exception as error:
            _say_once(f"not committed: {error}")


def _say_once(text: str, said: set[str] = set()) -> None:  # noqa: B006
    if text not in said:
        said.add(text)
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def note_writes(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    """Notes that something is uncommitted: an event of SQLAlchemy, after each statement."""
    is_write = WRITES.match(statement) or (context and context.execution_options.get("autocommit"))
    if is_write and has_begun_itself(connection):
        setattr(connection, UNCOMMITTED, connection.get_transaction())
        connection.info[UNCOMMITTED] = True
        OPEN.add(connection)


def forget_writes(connection: Any) -> None:
    """Notes that the code has ended its transaction itself."""
    connection.info.pop(UNCOMMITTED, None)


def commit_forgotten(dbapi_connection: Any, record: Any, state: Any) -> None:
    """Commits what a connection has written that was dropped without a close."""
    if record and record.info.pop(UNCOMMITTED, False):
        _say_once("SQLAlchemy 2 does not commit by itself; committed, as 1.4 did. Write connection.commit()")
        dbapi_connection.commit()


def taking_text(method: Callable[..., Any], of_result: Callable[[Any], Any]) -> Callable[..., Any]:
    """Makes `Connection.execute` and its siblings take plain text, and parameters in the forms of 1.4."""

    @wraps(method)
    def take_text(self: Any, statement: Any, *multiparams: Any, **params: Any) -> Any:
        options = params.pop("execution_options", None)
        if "parameters" in params and not multiparams:
            multiparams = (params.pop("parameters"),)
        parameters = parameters_of(multiparams, params)
        if not isinstance(statement, str):
            return method(self, statement, parameters, execution_options=options)
        result = self.exec_driver_sql(statement, parameters, execution_options=options)
        commit_at_the_end(self, is_said=False)
        return of_result(result)

    return take_text


def closing(close: Callable[..., Any]) -> Callable[..., Any]:
    """Commits before `Connection.close`."""

    @wraps(close)
    def commit_and_close(self: Any) -> None:
        commit_at_the_end(self)
        close(self)

    return commit_and_close


def leaving(leave: Callable[..., Any]) -> Callable[..., Any]:
    """Keeps the rollback at the end of a `with` block that an error has ended."""

    @wraps(leave)
    def roll_back_and_leave(self: Any, kind: Any, *rest: Any) -> Any:
        if kind and not self.closed and has_uncommitted(self):
            self.rollback()
        return leave(self, kind, *rest)

    return roll_back_and_leave


def beginning(begin: Callable[..., Any]) -> Callable[..., Any]:
    """Lets code begin a transaction after a statement, which has begun one in version 2."""

    @wraps(begin)
    def end_and_begin(self: Any) -> Any:
        if has_begun_itself(self):
            self.commit()
        return begin(self)

    return end_and_begin


def noting_begun(autobegin: Callable[..., Any]) -> Callable[..., Any]:
    """Notes which transaction a connection has begun by itself."""

    @wraps(autobegin)
    def note_begun(self: Any) -> None:
        autobegin(self)
        setattr(self, BEGUN, self.get_transaction())

    return note_begun


# --- what an engine had, and a row ---


def execute(engine: Any, statement: Any, *multiparams: Any, **params: Any) -> Any:
    """Executes a statement on a connection of its own, and returns its result, whose rows are in memory."""
    with engine.connect() as connection:
        result = connection.execute(statement, *multiparams, **params)
        if result.returns_rows:
            rows, result = result.rowcount, result.freeze()()
            result.rowcount = rows
        commit_at_the_end(connection, is_said=False)
    return result


def scalar(engine: Any, statement: Any, *multiparams: Any, **params: Any) -> Any:
    """Returns the first column of the first row."""
    return execute(engine, statement, *multiparams, **params).scalar()


def has_table(engine: Any, table_name: str, schema: str | None = None) -> bool:
    """Returns whether there is such a table."""
    from sqlalchemy import inspect

    return bool(inspect(engine).has_table(table_name, schema=schema))


def table_names(engine: Any, schema: str | None = None, connection: Any = None) -> list[str]:
    """Returns the names of all tables."""
    from sqlalchemy import inspect

    return list(inspect(connection or engine).get_table_names(schema=schema))


def with_names(get: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Lets code ask a row for a column by its name: `row["trips"]`."""

    def get_by_name(self: Any, key: Any) -> Any:
        return self._mapping[key] if isinstance(key, str) else get(self, key)

    return get_by_name


def unpacking(select: Callable[..., Any]) -> Callable[..., Any]:
    """Lets `select` take its columns as one list."""

    @wraps(select)
    def select_list(*columns: Any, **options: Any) -> Any:
        if len(columns) == 1 and isinstance(columns[0], list):
            columns = tuple(columns[0])
        return select(*columns, **options)

    return select_list


def bound(metadata: Any) -> None:
    """Lets `MetaData(engine)` and `MetaData(bind=engine)` remember their engine for what needs one."""
    create, create_all, drop_all, reflect = metadata.__init__, metadata.create_all, metadata.drop_all, metadata.reflect

    def create_bound(self: Any, *arguments: Any, bind: Any = None, **options: Any) -> None:
        if arguments and hasattr(arguments[0], "connect"):
            bind, *arguments = arguments  # type: ignore[assignment]
        create(self, *arguments, **options)
        self.bind = bind

    def with_bind(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call_with_bind(self: Any, bind: Any = None, *arguments: Any, **options: Any) -> Any:
            return method(self, bind or getattr(self, "bind", None), *arguments, **options)

        return call_with_bind

    metadata.__init__ = create_bound
    metadata.create_all, metadata.drop_all, metadata.reflect = map(with_bind, (create_all, drop_all, reflect))


def autoloading(create: Callable[..., Any]) -> Callable[..., Any]:
    """Lets `Table(name, metadata, autoload=True)` read its columns by the engine of its metadata."""

    @wraps(create)
    def create_autoloaded(cls: Any, *arguments: Any, **options: Any) -> Any:
        if options.pop("autoload", False) and "autoload_with" not in options and len(arguments) > 1:
            options["autoload_with"] = getattr(arguments[1], "bind", None)
        return create(cls, *arguments, **options)

    return create_autoloaded


def change(sqlalchemy: ModuleType) -> None:
    """Adds what version 2 has removed."""
    from sqlalchemy import event, sql
    from sqlalchemy.engine import Connection, Engine, Row
    from sqlalchemy.pool import Pool

    kind: Any = Connection
    kind.execute = taking_text(kind.execute, lambda result: result)
    kind.scalar = taking_text(kind.scalar, lambda result: result.scalar())
    kind.scalars = taking_text(kind.scalars, lambda result: result.scalars())
    kind.close, kind.__exit__ = closing(kind.close), leaving(kind.__exit__)
    kind.begin, kind._autobegin = beginning(kind.begin), noting_begun(kind._autobegin)
    event.listen(Engine, "after_cursor_execute", note_writes)
    for end in ("commit", "rollback"):
        event.listen(Engine, end, forget_writes)
    event.listen(Pool, "reset", commit_forgotten)
    atexit.register(commit_open)
    for method in (execute, scalar, has_table, table_names):
        setattr(Engine, method.__name__, method)
    row: Any = Row
    row.__getitem__ = with_names(row.__getitem__)
    row.keys, row.items = lambda self: self._mapping.keys(), lambda self: self._mapping.items()
    for module in (sqlalchemy, sql, sql.expression):
        vars(module)["select"] = unpacking(sql.select)
    bound(vars(sqlalchemy)["MetaData"])
    table: Any = vars(sqlalchemy)["Table"]
    table.__new__ = autoloading(table.__new__)


def change_orm(orm: ModuleType) -> None:
    """Lets sessions take plain text, too. They never committed by themselves."""
    session = vars(orm)["Session"]

    def declared(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def declare(self: Any, statement: Any, *arguments: Any, **options: Any) -> Any:
            from sqlalchemy import text

            return method(self, text(statement) if isinstance(statement, str) else statement, *arguments, **options)

        return declare

    for name in ("execute", "scalar", "scalars"):
        setattr(session, name, declared(getattr(session, name)))
