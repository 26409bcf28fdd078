"""BigQuery in its container reads no file but the bucket's and its own; tests/integration/embedded tries the same."""

from __future__ import annotations

from tests import bigquery_attacks
from tests.conftest import Checkout
from tests.stores import query_bigquery


def test_no_job_reads_or_writes_a_file_of_the_container(platform: Checkout) -> None:
    address = f"http://127.0.0.1:{platform.settings['BIGQUERY_PORT']}"
    reasons = [bigquery_attacks.refusal(address, job) for job in bigquery_attacks.JOBS]
    assert [reason for reason in reasons if "root:" in reason] == []
    found = platform.run("docker", "compose", "exec", "-T", "bigquery", "sh", "-c", "ls -A /tmp /var/lib/bigquery")
    assert "orionbox-stolen" not in found.stdout
    assert query_bigquery(platform.settings, "SELECT 1") == [(1,)], "it survives them all"
