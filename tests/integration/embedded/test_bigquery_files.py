"""BigQuery without Docker gives nobody the files of the user that it runs as."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import bigquery_attacks
from tests.conftest import Checkout
from tests.stores import query_bigquery


def test_no_job_reads_or_writes_a_file_of_the_machine(platform: Checkout) -> None:
    address = f"http://127.0.0.1:{platform.settings['BIGQUERY_PORT']}"
    reasons = [bigquery_attacks.refusal(address, job) for job in bigquery_attacks.JOBS]
    assert [reason for reason in reasons if "root:" in reason] == []
    data = platform.root / ".embedded"
    assert [*Path("/tmp").glob("orionbox-stolen*"), *data.rglob("orionbox-stolen*")] == []
    assert query_bigquery(platform.settings, "SELECT 1") == [(1,)], "it survives them all"


@pytest.mark.parametrize(
    "sql", ["SELECT ST_ASTEXT(ST_GEOGPOINT(1, 2))", "SELECT TIMESTAMP('2021-01-01', 'Asia/Tokyo')"]
)
def test_duckdb_s_extensions_work_without_a_network(platform: Checkout, sql: str) -> None:
    assert len(query_bigquery(platform.settings, sql)) == 1
