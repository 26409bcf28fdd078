"""Data of 0.1.0: values in their new form; all is taken over, or nothing is touched."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from services.bigquery import schema, types
from services.bigquery.errors import BigQueryError
from services.bigquery.geography.shapes import Geography, to_bytes
from services.bigquery.queries import Queries
from services.bigquery.store import takeover
from services.bigquery.store.store import open_store


def taken(sql: str, known: dict[str, Any] | None = None) -> tuple[dict[str, Any], Any]:
    """The field of a column x, and the plain value of its one row."""
    with duckdb.connect() as engine:
        takeover.add_functions(engine)
        engine.execute(f"CREATE TABLE t AS SELECT {sql} AS x")
        kind = engine.table("t").types[0]
        field = takeover._field("x", kind, known)
        new = schema.type_of(field)
        found = engine.execute(f"SELECT {takeover._value('x', kind, new)} FROM t").to_arrow_table()
        return field, types.plain_column(found.column(0), new)[0]


@pytest.mark.parametrize(
    ("sql", "kind", "plain"),
    [
        ("1::INTEGER", "INTEGER", 1),
        ("1.5::DECIMAL(38,9)", "NUMERIC", Decimal("1.5")),
        ("2.5::DECIMAL(38,18)", "BIGNUMERIC", types.bignumeric(Decimal("2.5"))),
        ("'{\"a\": 1}'::JSON", "JSON", '{"a": 1}'),
        ("TIMESTAMP '1970-01-01 00:00:01'", "DATETIME", 1_000_000),
        ("TIMESTAMPTZ '1970-01-01 00:00:01+00'", "TIMESTAMP", 1_000_000),
        ("DATE '1970-01-03'", "DATE", 2),
        ("INTERVAL '14 months 3 days 4.5 seconds'", "INTERVAL", {"f0": 14, "f1": 3, "f2": 4_500_000}),
        ("'POINT (1 2)'::GEOMETRY", "GEOGRAPHY", to_bytes(Geography(points=((1.0, 2.0),)))),
        ("INTERVAL '-14 months'", "INTERVAL", {"f0": -14, "f1": 0, "f2": 0}),
    ],
)
def test_values_keep_their_meaning(sql: str, kind: str, plain: Any) -> None:
    field, value = taken(sql)
    assert (field["type"], field["mode"], value) == (kind, "NULLABLE", plain)


def test_structs_and_lists_keep_their_fields_and_what_was_known_of_them() -> None:
    known = {"name": "x", "type": "RECORD", "mode": "REPEATED", "description": "mine",
             "fields": [{"name": "a", "type": "STRING", "maxLength": "5"}]}  # fmt: skip
    field, value = taken("[{'a': 'z', 'b': [DATE '1970-01-02']}, NULL]", known)
    assert field["mode"] == "REPEATED" and field["description"] == "mine"
    assert [(part["name"], part["type"], part["mode"], part.get("maxLength")) for part in field["fields"]] == [
        ("a", "STRING", "NULLABLE", "5"), ("b", "DATE", "REPEATED", None)]  # fmt: skip
    assert value == [{"f0": "z", "f1": [1]}, None]
    assert taken("CAST(NULL AS BIGINT[])")[1] == []


def test_shapes_that_have_no_meaning_on_the_sphere_stay_text() -> None:
    with duckdb.connect() as engine:
        takeover.add_functions(engine)
        engine.execute("CREATE TABLE t AS SELECT 'POINT (1 2)'::GEOMETRY AS good, 'POINT (1 200)'::GEOMETRY AS bad")
        fields = [{"name": name, "type": "GEOGRAPHY", "mode": "NULLABLE"} for name in ("good", "bad")]
        found = [takeover._valid(engine, "t", field, ("p", "d", "t"))["type"] for field in fields]
    assert found == ["GEOGRAPHY", "STRING"]


def test_what_cannot_be_taken_over_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / takeover.OLD).write_bytes(b"no database")
    with pytest.raises(BigQueryError, match="cannot be taken over|needs the wheel"):
        open_store(tmp_path, cast(Queries, None))
    assert (tmp_path / takeover.OLD).read_bytes() == b"no database" and not (tmp_path / "bigquery.duckdb").exists()


def test_old_files_are_moved_away_although_the_server_was_killed_meanwhile(tmp_path: Path) -> None:
    for name in ("emulator.duckdb", "p.ducklake", "p.ducklake.wal", "bigquery.duckdb"):
        (tmp_path / name).touch()
    (tmp_path / "p").mkdir()
    (tmp_path / takeover.KEPT).mkdir()
    takeover.move_old_files(tmp_path)
    assert not takeover.is_needed(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [takeover.KEPT, "bigquery.duckdb"]
    assert sorted(file.name for file in (tmp_path / takeover.KEPT).iterdir()) == [
        "emulator.duckdb", "p", "p.ducklake", "p.ducklake.wal"]  # fmt: skip
    takeover.move_old_files(tmp_path)
