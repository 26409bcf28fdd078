"""The platform's `psql`: PostgreSQL's own, with the course's addresses taken for the warehouse."""

from __future__ import annotations

import getopt
import os
from collections.abc import Sequence

from orionbox.student_shell import drivers, warehouse

SHORT = "aAbc:d:eEf:F:h:HlL:no:p:P:qR:sStT:U:v:VwWxX1z0?"
LONG = (
    "echo-all no-align command= dbname= echo-queries echo-errors echo-hidden file= field-separator= host= html list "
    "log-file= no-readline output= port= pset= quiet record-separator= single-step single-line tuples-only table-attr= "
    "username= set= variable= version no-password password expanded no-psqlrc single-transaction field-separator-zero "
    "record-separator-zero csv help"
).split()
"""psql's options (https://www.postgresql.org/docs/15/app-psql.html)."""
ADDRESS = {"-h": "host", "--host": "host", "-p": "port", "--port": "port", "-U": "user", "--username": "user"}
INFORMATION = {"-V", "--version", "-?", "--help"}
DATABASE = ("-d", "--dbname")


def translated(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Returns the arguments for PostgreSQL's own psql, and what to add to its environment."""
    try:
        options, words = getopt.gnu_getopt(list(arguments), SHORT, LONG)
    except getopt.GetoptError:  # psql says it better
        return list(arguments), {}
    if INFORMATION.intersection(name for name, _ in options):
        return list(arguments), {}
    asked: dict[str, str] = {ADDRESS[name]: value for name, value in options if name in ADDRESS}
    database = next((value for name, value in options if name in DATABASE), words[0] if words else "")
    if "=" in database or "://" in database:
        asked.update(drivers.parse(database))
    if len(words) > 1:
        asked["user"] = words[1]
    found = warehouse.changes(asked)
    if not found:
        return list(arguments), {}
    kept = [pair for name, value in options if name not in (*ADDRESS, *DATABASE) for pair in _typed(name, value)]
    name = asked.get("dbname") or ("" if "://" in database else database)
    user = found.get("user") or asked.get("user", "")
    environment = {"PGHOST": found["host"], "PGPORT": found["port"]}
    if user:
        environment["PGUSER"] = user
    if password := found.get("password") or asked.get("password", ""):
        environment["PGPASSWORD"] = password
    return [*kept, *([f"--dbname={name}"] if name else [])], environment


def _typed(name: str, value: str) -> list[str]:
    if name.startswith("--"):
        return [f"{name}={value}"] if f"{name[2:]}=" in LONG else [name]
    return [name, value] if f"{name[1]}:" in SHORT else [name]


def main(arguments: Sequence[str], program: str) -> int:
    """Replaces this process with PostgreSQL's own psql."""
    words, environment = translated(arguments)
    os.execve(program, ["psql", *words], {**os.environ, **environment})
