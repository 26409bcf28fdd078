"""What every Python of the flows' environment imports first, before any code of a student's (`__main__.install`).

It imports nothing else: each change is made when its library is imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

from orionbox.old_libraries.after_import import AfterImport

OFF = "ORIONBOX_UNCHANGED"
"""The variable that leaves all libraries as they are, for services that share this environment with flows."""
PROGRAMS = {"pip": "pip.py", "venv": "venv.py", "virtualenv": "venv.py"}
"""What `python -m NAME` runs here."""


def _change(module: str, function: str = "change") -> object:
    def change(changed: object) -> None:
        from importlib import import_module

        getattr(import_module(f"orionbox.{module}"), function)(changed)

    return change


def _looking(system: Callable[[Any], int]) -> Callable[[Any], int]:
    """Returns os.system, which says of the taxi files in a command what kind of data they have."""

    @wraps(system)
    def look_and_run(command: Any) -> int:
        from orionbox.student_shell import fetched

        fetched.look(command if isinstance(command, str) else "")
        return system(command)

    return look_and_run


class Programs(PathFinder):
    """Finds our own program for `python -m pip`."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Finds the program that this Python was started with, and nothing else."""
        if name not in PROGRAMS:
            return None
        return spec_from_file_location(name, Path(__file__).with_name(PROGRAMS[name]))


def install() -> None:
    """Prepares all changes."""
    if os.environ.get(OFF):
        return
    changes = {
        "sqlalchemy": _change("old_libraries.sqlalchemy14"),
        "sqlalchemy.orm": _change("old_libraries.sqlalchemy14", "change_orm"),
        "pandas": _change("old_libraries.pandas15"),
        "google.cloud.storage.client": _change("student_shell.buckets"),
        "psycopg2": _change("student_shell.drivers", "change_psycopg2"),
        "psycopg": _change("student_shell.drivers", "change_psycopg"),
        "asyncpg": _change("student_shell.drivers", "change_asyncpg"),
        "adbc_driver_postgresql": _change("student_shell.drivers", "change_adbc"),
        "http.client": _change("student_shell.fetched", "change_http"),
        "httpx": _change("student_shell.fetched", "change_httpx"),
        "aiohttp.client_reqrep": _change("student_shell.fetched", "change_aiohttp"),
        "subprocess": _change("student_shell.fetched", "change_subprocess"),
    }
    for name in [name for name in changes if name in sys.modules]:
        changes.pop(name)(sys.modules[name])  # type: ignore[operator]
    os.system = _looking(os.system)  # type: ignore[assignment]  # a wrapper of it
    sys.meta_path.insert(0, AfterImport(changes))  # type: ignore[arg-type]
    if sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2:3] and sys.orig_argv[2] in PROGRAMS:
        sys.meta_path.insert(0, Programs)


install()
