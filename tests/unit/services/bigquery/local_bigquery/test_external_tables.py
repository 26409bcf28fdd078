"""Which statements create an external table, and what is read from them."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import pytest

URIS = "uris=['gs://b/data/yellow/*.parquet', 'gs://b/x.parquet']"


class Refusal(Exception):
    """In the place of the emulator's error."""


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module's ``parse``; the emulator itself lives in another environment, on another Python."""
    needed: dict[str, dict[str, Any]] = {
        "local_bigquery.catalog": {"names": None, "tables": None},
        "local_bigquery.engine.database": {"quote": None},
        "local_bigquery.errors": {"BigQueryError": lambda reason, message: Refusal(message)},
        "local_bigquery.jobs": {"storage": None},
        "local_bigquery.models": {"JobStatistics2": None},
        "sqlglot": {"exp": None},
    }
    for name, members in needed.items():
        for package in (name.rpartition(".")[0], name):
            if package:
                monkeypatch.setitem(sys.modules, package, ModuleType(package))
        sys.modules[name].__dict__.update(members)
    monkeypatch.setitem(sys.modules, "local_bigquery", ModuleType("local_bigquery"))
    monkeypatch.delitem(sys.modules, "services.bigquery.local_bigquery.external_tables", raising=False)
    return importlib.import_module("services.bigquery.local_bigquery.external_tables").parse


@pytest.mark.parametrize("name", ["d.t", "`d.t`", "`p-1.d.t`", "`p-1`.d.t"])
def test_the_course_s_statement_is_read(parse: Any, name: str) -> None:
    table = parse(f"-- a comment\nCREATE OR REPLACE EXTERNAL TABLE {name}\nOPTIONS (\n format = 'parquet', {URIS}\n);")
    assert table.path[-2:] == ("d", "t")
    assert (table.format, table.replace, table.keep) == ("PARQUET", True, False)
    assert table.uris == ("gs://b/data/yellow/*.parquet", "gs://b/x.parquet")


@pytest.mark.parametrize("sql", ["SELECT 1", "CREATE TABLE d.t AS SELECT 1", "SELECT 'CREATE EXTERNAL TABLE d.t'", ""])
def test_other_statements_are_left_to_the_emulator(parse: Any, sql: str) -> None:
    assert parse(sql) is None


@pytest.mark.parametrize("options", [f"format='AVRO', {URIS}", URIS, "format='CSV'"])
def test_unreadable_statements_are_refused(parse: Any, options: str) -> None:
    with pytest.raises(Refusal, match="PARQUET or CSV"):
        parse(f"CREATE EXTERNAL TABLE d.t OPTIONS ({options})")
