"""What clients may send, and what the emulator tells DuckDB; tests/bigquery_attacks.py tries the real one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from services.bigquery.local_bigquery import confinement


class Refusal(Exception):
    """In the place of the emulator's error."""


@pytest.fixture(autouse=True)
def emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator itself lives in another environment, on another Python."""
    errors = ModuleType("local_bigquery.errors")
    errors.__dict__["BigQueryError"] = lambda reason, message: Refusal(message)
    monkeypatch.setitem(sys.modules, "local_bigquery", ModuleType("local_bigquery"))
    monkeypatch.setitem(sys.modules, "local_bigquery.errors", errors)


def tree(kind: str, *nodes: Any, **members: Any) -> Any:
    """A statement, as sqlglot gives it."""

    def walk(self: Any) -> Iterator[Any]:
        return iter((self, *nodes))

    return type(kind, (SimpleNamespace,), {"walk": walk})(**{"args": {}, "name": "", **members})


def function(name: str) -> Any:
    return tree("Anonymous", name=name)


def test_duckdb_reads_two_folders_and_nothing_can_change_that() -> None:
    done: list[tuple[str, Any]] = []
    connection = SimpleNamespace(execute=lambda sql, values=None: done.append((sql, values)))
    confinement.confine(connection, ["icu", "spatial"], ["data", "bucket"])
    statements = [sql for sql, _ in done]
    assert ("SET allowed_directories = $1", [["data", "bucket"]]) in done
    assert statements[-2:] == ["SET enable_external_access = false", "SET lock_configuration = true"]
    loads = [sql for sql in statements if sql.startswith("LOAD")]
    assert loads == statements[: len(loads)] == ["LOAD icu", "LOAD spatial"]


NAMES = ("read_text", "READ_BLOB", "glob", "sniff_csv", "st_read", "st_read_meta", "query", "duckdb_settings")
OWN = ("from_base64", "st_geogpoint", "generate_uuid", "my_query", "reading", "global_id", "net_host")


@pytest.mark.parametrize("name", NAMES)
def test_a_function_of_duckdb_is_no_function_of_bigquery(name: str) -> None:
    with pytest.raises(Refusal, match=f"^Function not found: {name}$"):
        confinement.refuse_duckdbs_sql(tree("Select", function("net_host"), function(name)), None)


def test_sqlglot_s_own_nodes_that_read_files_are_refused() -> None:
    assert confinement.reason_to_refuse(tree("Select", tree("ReadCSV"))) == "Function not found: read_csv"


def test_functions_of_bigquery_and_of_the_user_pass() -> None:
    statement = tree("Select", *map(function, OWN))
    assert confinement.refuse_duckdbs_sql(statement, None) is statement


@pytest.mark.parametrize("kind", ["Copy", "Pragma", "Attach"])
def test_a_statement_of_duckdb_is_refused(kind: str) -> None:
    assert confinement.reason_to_refuse(tree(kind)) == f"Statement not supported: {kind.upper()}"


@pytest.mark.parametrize(
    "word, rest",
    [
        ("LOAD", "httpfs"),
        ("create", "or replace persistent secret s (TYPE s3)"),
        ("CREATE", "MACRO\nf() AS 1"),
        ("SHOW", ""),
    ],
)
def test_a_command_of_duckdb_is_refused(word: str, rest: str) -> None:
    command = tree("Command", this=word, args={"expression": rest})
    assert confinement.reason_to_refuse(command) == f"Statement not supported: {word.upper()}"


@pytest.mark.parametrize("rest", ["SEARCH INDEX i ON d.t(ALL COLUMNS)", "SNAPSHOT TABLE d.s CLONE d.t"])
def test_a_command_of_bigquery_passes(rest: str) -> None:
    assert confinement.reason_to_refuse(tree("Command", this="CREATE", args={"expression": rest})) == ""


INSIDE = ("gs://b/x.csv", "gs://b/data/yellow/*.parquet", "gs://b/a..b/..c", "gs://b//x")
OUTSIDE = (
    "file:///etc/passwd",
    "/etc/passwd",
    "x.csv",
    "gs://../x",
    "gs://b/../x",
    "gs://b/a/../../x",
    "gs://b",
    "gs:///x",
)


def test_only_objects_of_a_bucket_are_read_and_written() -> None:
    local = confinement.only_in_bucket(lambda uri: f"local {uri}")
    assert [local(uri) for uri in INSIDE] == [f"local {uri}" for uri in INSIDE]
    for uri in OUTSIDE:
        with pytest.raises(Refusal, match="only gs://bucket/object"):
            local(uri)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "x' AS y", "", ".x", "a/b"])
def test_a_project_is_no_path(name: str) -> None:
    attached: list[str] = []
    attach = confinement.only_projects(lambda connection, project: attached.append(project))
    attach(None, "orionbox-local")
    with pytest.raises(Refusal, match="^Invalid project ID: "):
        attach(None, name)
    assert attached == ["orionbox-local"]
