"""The names of staging tables in BigQuery."""

from __future__ import annotations

from uuid import uuid4

from orionbox.stores import staging_tables


def test_a_table_for_loading_tells_its_run() -> None:
    run_id = str(uuid4())
    assert staging_tables.run_id_from_name(staging_tables.new_name("yellow", run_id)) == run_id
    assert staging_tables.run_id_from_name(staging_tables.new_name("yellow", None)) == ""
    assert staging_tables.new_name("yellow", run_id) != staging_tables.new_name("yellow", run_id)
