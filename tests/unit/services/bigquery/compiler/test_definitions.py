"""CREATE, ALTER and DROP, described for the store."""

from __future__ import annotations

from typing import Any

import pytest

from services.bigquery.compiler.definitions import (
    Action,
    Alter,
    ColumnDefinition,
    CreateSchema,
    CreateTable,
    CreateView,
    Definition,
    Drop,
    Parameters,
    Partitioning,
    describe,
)
from services.bigquery.errors import NotBuilt
from services.bigquery.language.analyzer import Scope
from services.bigquery.language.catalog import Column, Table
from services.bigquery.types import Type
from tests.googlesql import queries

INTEGER, TEXT = Type("INT64"), Type("STRING")
TABLE = Table(("p", "d", "t"), "p.d.t", [Column("x", INTEGER), Column("w", Type("TIMESTAMP"))])


def described(sql: str) -> Definition:
    return describe(queries().analyzer.analyze(sql, Scope(tables=[TABLE])))


def test_a_table_with_all_its_clauses() -> None:
    sql = """CREATE OR REPLACE TABLE `p.d.n` (a INT64 NOT NULL OPTIONS(description='key'), b NUMERIC(10, 2) DEFAULT 1.5,
        c ARRAY<STRUCT<y STRING(5)>>, w TIMESTAMP, PRIMARY KEY (a) NOT ENFORCED)
        PARTITION BY TIMESTAMP_TRUNC(w, HOUR) CLUSTER BY a, b OPTIONS(description=NULL, labels=[('k', 'v')])"""
    nested = Type("ARRAY", Type("STRUCT", fields=(("y", TEXT),)))
    of_nested = Parameters(children=(Parameters(children=(Parameters(length=5),)),))
    assert described(sql) == CreateTable(
        ("p.d.n",),
        "or_replace",
        False,
        (
            ColumnDefinition("a", INTEGER, True, options={"description": "key"}),
            ColumnDefinition("b", Type("NUMERIC"), False, Parameters(precision=10, scale=2), "1.5"),
            ColumnDefinition("c", nested, parameters=of_nested),
            ColumnDefinition("w", Type("TIMESTAMP")),
        ),
        False,
        Partitioning("w", "HOUR"),
        ("a", "b"),
        {"description": None, "labels": [{"f0": "k", "f1": "v"}]},
        primary_key=("a",),
    )


@pytest.mark.parametrize(
    ("clause", "partitioning"),
    [
        ("DATE(w)", Partitioning("w", "DAY")),
        ("d", Partitioning("d", "DAY")),
        ("DATE_TRUNC(d, MONTH)", Partitioning("d", "MONTH")),
        ("DATETIME_TRUNC(z, YEAR)", Partitioning("z", "YEAR")),
        ("RANGE_BUCKET(i, GENERATE_ARRAY(0, 100, 10))", Partitioning("i", "RANGE", (0, 100, 10))),
        ("_PARTITIONDATE", Partitioning("_PARTITIONDATE", "DAY")),
    ],
)
def test_each_way_to_partition(clause: str, partitioning: Partitioning) -> None:
    table = described(f"CREATE TABLE d.n (w TIMESTAMP, d DATE, z DATETIME, i INT64) PARTITION BY {clause}")
    assert isinstance(table, CreateTable) and table.partitioning == partitioning


def test_create_table_as_has_the_columns_of_its_query() -> None:
    table = described("CREATE TEMP TABLE n PARTITION BY DATE(w) AS SELECT x, w FROM p.d.t")
    assert isinstance(table, CreateTable) and table.has_query and table.is_temporary
    assert [column.name for column in table.columns] == ["x", "w"]


@pytest.mark.parametrize(
    ("sql", "definition"),
    [
        ("CREATE SCHEMA IF NOT EXISTS s OPTIONS(location='EU')",
         CreateSchema(("s",), "if_not_exists", {"location": "EU"})),
        ("DROP TABLE IF EXISTS d.t", Drop("TABLE", ("d", "t"), True)),
        ("DROP SCHEMA s CASCADE", Drop("SCHEMA", ("s",), False, True)),
        ("DROP FUNCTION d.f", Drop("FUNCTION", ("d", "f"), False)),
        ("CREATE VIEW d.v AS SELECT x AS y FROM p.d.t",
         CreateView(("d", "v"), "default", (("y", INTEGER),), "SELECT x AS y FROM p.d.t", False, {})),
        ("ALTER TABLE p.d.t ADD COLUMN IF NOT EXISTS n STRING(9), DROP COLUMN x",
         Alter("TABLE", ("p", "d", "t"), False, (
             Action("AddColumn", "n", True, ColumnDefinition("n", TEXT, parameters=Parameters(length=9))),
             Action("DropColumn", "x")))),
        ("ALTER TABLE p.d.t RENAME COLUMN w TO v",
         Alter("TABLE", ("p", "d", "t"), False, (Action("RenameColumn", "w", new_name=("v",)),))),
        ("ALTER TABLE IF EXISTS p.d.t SET OPTIONS (description = NULL)",
         Alter("TABLE", ("p", "d", "t"), True, (Action("SetOptions", options={"description": None}),))),
        ("ALTER TABLE p.d.t ALTER COLUMN x SET DATA TYPE NUMERIC(20, 3)",
         Alter("TABLE", ("p", "d", "t"), False, (Action("AlterColumnSetDataType", "x", False,
               ColumnDefinition("x", Type("NUMERIC"), parameters=Parameters(precision=20, scale=3))),))),
        ("ALTER TABLE p.d.t ALTER COLUMN x SET DEFAULT 7",
         Alter("TABLE", ("p", "d", "t"), False, (Action("AlterColumnSetDefault", "x", False,
               ColumnDefinition("x", INTEGER, default="7")),))),
    ],
)  # fmt: skip
def test_other_definitions(sql: str, definition: Any) -> None:
    assert described(sql) == definition


def test_a_copy_names_its_source() -> None:
    table = described("CREATE TABLE d.n CLONE p.d.t")
    assert isinstance(table, CreateTable) and (table.like, table.like_word) == ("p.d.t", "CLONE")


def test_a_definition_without_a_rule_is_refused_by_name() -> None:
    with pytest.raises(NotBuilt, match="CreateRowAccessPolicy"):
        described("CREATE ROW ACCESS POLICY r ON p.d.t GRANT TO ('a') FILTER USING (x > 1)")
