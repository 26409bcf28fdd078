"""Confines DuckDB: queries read the bucket and the emulator's own data, and reach no other file and no network.

DuckDB itself enforces it (https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview). Above that,
queries are BigQuery's: DuckDB's own statements and functions, which could write into these folders, are refused before
DuckDB sees them.
"""

# mypy: disable-error-code="import-untyped,import-not-found"
# The emulator is installed in its own image only.

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
"""A project's name becomes the name of a file. It is looser than BigQuery's rule: any project id is accepted."""
DUCKDBS_FUNCTIONS = re.compile(
    r"(read|sniff|parquet|duckdb|ducklake|enable|disable|truncate|pragma|sqlite|postgres|mysql|json_execute|pandas|arrow"
    r"|python)_.*|st_read.*|glob|query|query_table|checkpoint|force_checkpoint|current_setting|getenv|which_secret",
    re.IGNORECASE,
)
"""Functions of DuckDB that read or write files, change its settings, or run text as SQL. BigQuery has none of them."""
DUCKDBS_STATEMENTS = ("Copy", "Pragma", "Use", "Attach", "Detach", "Describe", "Analyze", "Install")
"""sqlglot's names of statements that BigQuery does not have."""
BIGQUERYS_COMMANDS = re.compile(r"(CREATE|DROP|ALTER)\s(?!.*\b(SECRET|MACRO)\b)", re.IGNORECASE | re.DOTALL)
"""What sqlglot does not parse and the emulator reads itself, such as CREATE SEARCH INDEX."""


def confine(connection: Any, extensions: Iterable[str], folders: list[str]) -> None:
    """Limit a connection, and all its cursors, to files in these folders, for good.

    Args:
        connection: a DuckDB connection.
        extensions: those that queries need; none can be loaded afterwards.
        folders: paths; relative ones begin at the working directory.
    """
    for name in extensions:
        connection.execute(f"LOAD {name}")
    connection.execute("SET allowed_directories = $1", [folders])
    for setting, value in (
        ("autoinstall_known_extensions", "false"),
        ("autoload_known_extensions", "false"),
        ("allow_community_extensions", "false"),
        ("enable_external_access", "false"),
        ("lock_configuration", "true"),
    ):
        connection.execute(f"SET {setting} = {value}")


def reason_to_refuse(tree: Any) -> str:
    """Return which of DuckDB's own statements or functions is in a statement; empty if none is.

    Args:
        tree: a statement, as sqlglot has parsed it.
    """
    kind = type(tree).__name__
    if kind in DUCKDBS_STATEMENTS:
        return f"Statement not supported: {kind.upper()}"
    if kind == "Command" and not BIGQUERYS_COMMANDS.match(f"{tree.this} {tree.args.get('expression') or ''}"):
        return f"Statement not supported: {str(tree.this).upper()}"
    return next((f"Function not found: {name}" for name in _functions(tree) if DUCKDBS_FUNCTIONS.fullmatch(name)), "")


def _functions(tree: Any) -> Iterator[str]:
    """Yield the names of the functions that sqlglot does not know, and of its own that read files."""
    for node in tree.walk():
        kind = type(node).__name__
        if kind in ("Anonymous", "AnonymousAggFunc"):
            yield str(node.name)
        elif kind in ("ReadCSV", "ReadParquet"):
            yield kind.replace("Read", "read_").lower()


def is_in_bucket(uri: str) -> bool:
    """Return whether the address of an object stays inside its bucket, in which `..` could lead out of the folder."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    is_object = uri.startswith("gs://") and bucket not in ("", ".", "..") and bool(name)
    return is_object and ".." not in PurePosixPath(name).parts and "\0" not in uri


def only_in_bucket(local: Callable[[str], str]) -> Callable[[str], str]:
    """Make ``local``, which returns the path of a source or target, refuse all but the objects of a bucket."""
    from local_bigquery.errors import BigQueryError

    def local_in_bucket(uri: str) -> str:
        if not is_in_bucket(uri):
            raise BigQueryError("invalid", f"Invalid Cloud Storage URI: {uri} (only gs://bucket/object)")
        return local(uri)

    return local_in_bucket


def only_projects(attach: Callable[..., None]) -> Callable[..., None]:
    """Make ``attach``, whose last argument is a project, refuse a name that is no plain name of a file."""
    from local_bigquery.errors import BigQueryError

    def attach_project(*arguments: Any) -> None:
        if not PROJECT.fullmatch(arguments[-1]):
            raise BigQueryError("invalid", f"Invalid project ID: {arguments[-1]}")
        attach(*arguments)

    return attach_project


def refuse_duckdbs_sql(tree: Any, context: Any) -> Any:
    """Return the statement; as the emulator's first rule, so for whatever a client sends as SQL.

    Raises:
        BigQueryError: it is DuckDB's, not BigQuery's.
    """
    from local_bigquery.errors import BigQueryError

    if reason := reason_to_refuse(tree):
        raise BigQueryError("invalidQuery", reason)
    return tree


def install() -> None:
    """Confine the emulator; after other modules have replaced its functions, so that these checks come first."""
    from local_bigquery.engine import database
    from local_bigquery.jobs import storage
    from local_bigquery.settings import settings
    from local_bigquery.sql.translate import STATEMENT_RULES

    from services.bigquery.local_bigquery.link_extensions import EXTENSIONS

    connect = database._connect

    @functools.cache
    def connect_confined() -> Any:
        connection = connect()
        bucket = settings.gcs_local_root or settings.data_dir / "gcs"
        confine(connection, EXTENSIONS, [str(settings.data_dir), str(bucket)])
        return connection

    database._connect = connect_confined
    database._attach = only_projects(database._attach)
    storage._local = only_in_bucket(storage._local)
    STATEMENT_RULES.insert(0, refuse_duckdbs_sql)
