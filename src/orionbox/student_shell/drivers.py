"""Makes the drivers take the course's addresses for the warehouse (`orionbox.student_shell.warehouse`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from orionbox.student_shell import warehouse

NAMES = ("host", "hostaddr", "port", "user", "password")


def parse(dsn: str | None) -> dict[str, Any]:
    """Returns libpq's parameters in an address, a URL or words like `host=localhost`; none of a wrong one."""
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        return dict(parse_dsn(dsn)) if dsn else {}
    except psycopg2.Error:  # the driver says so itself
        return {}


def changes(dsn: str | None, options: dict[str, Any]) -> dict[str, str]:
    """Returns the options that lead a connection to the warehouse."""
    given = {name: value for name, value in options.items() if name in NAMES and value}
    return warehouse.changes({**parse(dsn), **given})


def connecting(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a `connect` whose first argument is the address, and whose options count more than that."""

    @wraps(connect)
    def connect_to_warehouse(dsn: str | None = None, *arguments: Any, **options: Any) -> Any:
        return connect(dsn, *arguments, **{**options, **changes(dsn, options)})

    return connect_to_warehouse


def change_psycopg2(module: ModuleType) -> None:
    """Changes `psycopg2.connect`, which SQLAlchemy and pandas call, too."""
    vars(module)["connect"] = connecting(vars(module)["connect"])


def change_asyncpg(module: ModuleType) -> None:
    """Changes `asyncpg.connect` and `create_pool`."""
    for name in ("connect", "create_pool"):
        vars(module)[name] = connecting(vars(module)[name])


def change_psycopg(module: ModuleType) -> None:
    """Changes version 3 of psycopg, which pgcli uses."""
    for kind in (vars(module)["Connection"], vars(module)["AsyncConnection"]):
        kind.connect = classmethod(connecting_class(kind.connect.__func__))
    vars(module)["connect"] = vars(module)["Connection"].connect


def connecting_class(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a class method `connect`."""

    @wraps(connect)
    def connect_to_warehouse(cls: Any, conninfo: str = "", **options: Any) -> Any:
        return connect(cls, conninfo, **{**options, **changes(conninfo, options)})

    return connect_to_warehouse


def change_adbc(module: ModuleType) -> None:
    """Changes the driver of Arrow, whose options are all in its address."""
    connect = vars(module)["connect"]

    @wraps(connect)
    def connect_to_warehouse(uri: str, *arguments: Any, **options: Any) -> Any:
        from psycopg2.extensions import make_dsn

        found = changes(uri, {})
        return connect(make_dsn(uri, **found) if found else uri, *arguments, **options)

    vars(module)["connect"] = connect_to_warehouse
